/* y = x W^T: which kernels for which batch, and their workspace. */
#include "cuda/product.h"

#include "cuda/launch.h"
#include "cuda/level_product.h"
#include "cuda/sign_product.h"

namespace bcq_cuda {
namespace {

constexpr int64_t kPackedBatch = PackedShape::kBatch;
constexpr int64_t kNarrowBatch = NarrowShape<3>::kBatch;
constexpr int64_t kSixteenBitBatch = 32; /* beyond, fast products go by bfloat16 */
constexpr int64_t kSlab = 1024;          /* batch rows that share the workspace at a time */

struct Product {
  Matrix matrix;
  bcq_type type;
  const char* x;
  int64_t batch;
  char* y;
  void* workspace;
  void* stream;
};

bool is_half_precision(bcq_precision precision, int64_t batch) {
  return precision == BCQ_FAST && batch > kSixteenBitBatch;
}

int digits_of(bcq_precision precision) { return precision == BCQ_FAST ? 2 : 3; }

/* Bytes of the digits of this many tiles of 8 batch rows; their peaks follow. */
int64_t digit_bytes(const Matrix& m, int digits, int64_t batch_tiles) {
  return batch_tiles * m.steps * digits * kFragmentWords * 4;
}

int64_t batch_tiles_of(int64_t batch) {
  return batch <= kNarrowBatch ? 1 : rounded_up(batch, WideShape<3>::kBatch) * 2;
}

int64_t workspace_bytes(const Matrix& m, bcq_precision precision, int64_t batch) {
  if (batch <= kPackedBatch) return 0;
  const int64_t slab = least(batch, kSlab);
  if (is_half_precision(precision, batch)) {
    return rounded_up(slab, kLevelTile) * kLevelWords * 4 * m.words;
  }
  const int64_t tiles = batch_tiles_of(slab);
  return digit_bytes(m, digits_of(precision), tiles) + tiles * chunk_count(m) * 8 * 4;
}

template <class S>
SignArguments sign_arguments(const Product& p) {
  SignArguments a = {};
  a.matrix = p.matrix;
  a.x = p.x;
  a.y = p.y;
  a.type = p.type;
  a.batch = p.batch;
  a.batch_blocks = rounded_up(p.batch, S::kBatch);
  return a;
}

bcq_status packed_product(const Product& p) {
  using S = PackedShape;
  return launch(packed_product_kernel<S>, rounded_up(p.matrix.rows, S::kRows), S::kThreads,
                S::kSharedBytes, sign_arguments<S>(p), p.stream);
}

template <class S>
bcq_status sign_product(const Product& p) {
  const Matrix& m = p.matrix;
  SignArguments a = sign_arguments<S>(p);
  const int64_t tiles = a.batch_blocks * S::kBatchTiles;
  uint32_t* digits = static_cast<uint32_t*>(p.workspace);
  float* peaks = reinterpret_cast<float*>(digits + digit_bytes(m, S::kDigits, tiles) / 4);
  const DigitArguments d = {m, p.x, p.type, p.batch, digits, peaks};
  bcq_status status = launch(digits_kernel<S::kDigits>, tiles * 8 * chunk_count(m), 256,
                             kDigitsShared, d, p.stream);
  if (status != BCQ_OK) return status;
  a.digits = digits;
  a.peaks = peaks;
  return launch(sign_product_kernel<S>, rounded_up(m.rows, S::kRows) * a.batch_blocks, S::kThreads,
                S::kSharedBytes, a, p.stream);
}

bcq_status level_product(const Product& p) {
  const Matrix& m = p.matrix;
  const int64_t blocks = rounded_up(p.batch, kLevelTile);
  PairArguments pairs = {p.x, p.type, m.columns, p.batch, blocks * kLevelTile, 0, nullptr};
  pairs.count = m.words * pairs.padded_batch * 16;
  pairs.pairs = static_cast<uint32_t*>(p.workspace);
  const bcq_status status = launch_for_each(pairs_kernel, pairs.count, pairs, p.stream);
  if (status != BCQ_OK) return status;
  const LevelArguments a = {m, p.x, p.y, p.type, p.batch, blocks, pairs.pairs};
  return launch(level_product_kernel, rounded_up(m.rows, kLevelTile) * blocks, kLevelTile,
                kLevelShared, a, p.stream);
}

template <int kDigits>
bcq_status sign_product_of(const Product& p) {
  return p.batch <= kNarrowBatch ? sign_product<NarrowShape<kDigits>>(p)
                                 : sign_product<WideShape<kDigits>>(p);
}

}  // namespace
}  // namespace bcq_cuda

using namespace bcq_cuda;

int64_t bcq_cuda_product_workspace(const bcq_matrix* matrix, bcq_precision precision,
                                   int64_t batch) {
  Matrix m;
  if (batch < 0 || !set_matrix(matrix, m)) return -1;
  return workspace_bytes(m, precision, batch);
}

bcq_status bcq_cuda_product(const bcq_matrix* matrix, bcq_precision precision, bcq_type type,
                            const void* x, int64_t batch, void* y, void* workspace, void* stream) {
  Product p = {};
  if (batch < 0 || !is_type(type) || !set_matrix(matrix, p.matrix)) return BCQ_BAD_ARGUMENT;
  if (precision != BCQ_EXACT && precision != BCQ_FAST) return BCQ_BAD_ARGUMENT;
  if (batch == 0) return BCQ_OK;
  const int64_t bytes = workspace_bytes(p.matrix, precision, batch);
  if (!x || !y || (bytes > 0 && (!workspace || !is_aligned(workspace)))) return BCQ_BAD_ARGUMENT;
  const bool half = is_half_precision(precision, batch), packed = batch <= kPackedBatch;
  const int64_t size = type == BCQ_FLOAT32 ? 4 : 2;
  p.type = type;
  p.workspace = workspace;
  p.stream = stream;
  for (int64_t start = 0; start < batch; start += kSlab) {
    p.x = static_cast<const char*>(x) + start * p.matrix.columns * size;
    p.y = static_cast<char*>(y) + start * p.matrix.rows * size;
    p.batch = least(kSlab, batch - start);
    const bcq_status status = half                     ? level_product(p)
                              : packed                 ? packed_product(p)
                              : precision == BCQ_EXACT ? sign_product_of<3>(p)
                                                       : sign_product_of<2>(p);
    if (status != BCQ_OK) return status;
  }
  return BCQ_OK;
}
