/* Rows of the matrix by their ids, the gradient of their scales, and all columns. */
#include "cuda/gather.h"

#include "cuda/found.h"
#include "cuda/launch.h"
#include "cuda/weights.h"

namespace bcq_cuda {

struct GatherArguments {
  Matrix matrix;
  const int64_t* ids;
  int64_t count;
  int type;
  void* out;      /* gather writes it, the gradient reads it */
  uint64_t* bad;  /* the first id that is no row; all ones: none */
  float* dscales; /* the gradient's, 0 before */
  float* doffset; /* likewise, or NULL */
};

/* The stored row of an id; -1 where it is none. */
BCQ_DEVICE int64_t stored_row(const Matrix& m, int64_t id) {
  if (id < 0 || id >= m.rows) return -1;
  return m.row_place ? row_number(m, m.row_place, id) : id;
}

/* A warp: one word of one id, a column a lane. Rows of bad ids are NaN. 256 threads. */
BCQ_KERNEL(256) gather_kernel(BCQ_ARGUMENTS(GatherArguments) a) {
  const Matrix& m = a.matrix;
  const int64_t warps = thread_count() / 32, stride = block_count() * warps;
  for (int64_t at = block_index() * warps + warp_index(); at < a.count * m.words; at += stride) {
    const int64_t n = at / m.words;
    const int word = static_cast<int>(at % m.words), lane = lane_index();
    const int64_t row = stored_row(m, load(a.ids + n));
    if (row < 0 && word == 0 && lane == 0) atomic_least(a.bad, static_cast<uint64_t>(n));
    if (lane >= word_columns(m, word)) continue;
    const float value = row < 0 ? float_of(0x7fc00000u) : row_word(m, row, word).weight(lane);
    store_as(a.out, a.type, n * m.columns + int64_t{word} * kWordBits + lane, value);
  }
}

constexpr int kGatherShared = 4 * kFoundWords;

/* Of 256 ids those whose stored rows lie in the tile, in order. Returns how many. */
BCQ_DEVICE int find_ids(const GatherArguments& a, int64_t tile, int64_t first, int* found) {
  const int64_t n = first + thread_index();
  const int64_t row = n < a.count ? stored_row(a.matrix, load(a.ids + n)) : 0;
  const bool here = n < a.count && row >= 0 && row / kTileRows == tile;
  if (row < 0 && tile == 0) atomic_least(a.bad, static_cast<uint64_t>(n));
  return list_found(here, static_cast<int>(row % kTileRows), found);
}

BCQ_DEVICE float warp_sum(float value) {
  BCQ_UNROLL
  for (int mask = 16; mask > 0; mask /= 2) value = add(value, shuffle_xor(value, mask));
  return value;
}

/* Adds one row of dout to the sums of stored row `row`: all lanes of a warp. */
BCQ_DEVICE void add_gathered(const GatherArguments& a, int64_t tile, int row, int64_t n) {
  const Matrix& m = a.matrix;
  const int planes = tile_planes(m, tile), lane = lane_index();
  const uint32_t* codes = m.tiles + tile_start(m, tile);
  const int64_t matrix_row = tile * kTileRows + row;
  for (int group = 0; group < m.groups; ++group) {
    float sums[kMaxBits + 1] = {};
    const int end = least((group + 1) * m.group_words, m.words);
    for (int word = group * m.group_words; word < end; ++word) {
      const int64_t place = n * m.columns + int64_t{word} * kWordBits + lane;
      const float d = lane < word_columns(m, word) ? load_as_float(a.out, a.type, place) : 0.0f;
      BCQ_UNROLL
      for (int i = 0; i < kMaxBits; ++i) {
        if (i < planes) {
          sums[i] =
              add(sums[i], with_sign(d, load(codes + word_place(word, planes, i, row)), lane));
        }
      }
      sums[kMaxBits] = add(sums[kMaxBits], d);
    }
    BCQ_UNROLL
    for (int i = 0; i < kMaxBits; ++i) {
      if (i < planes && matrix_row < m.plane_rows[i]) {
        const float sum = warp_sum(sums[i]);
        if (lane == 0) a.dscales[scale_place(m, group, i, matrix_row)] += sum;
      }
    }
    const float sum = warp_sum(sums[kMaxBits]);
    if (a.doffset && lane == 0) a.doffset[offset_place(m, group, matrix_row)] += sum;
  }
}

/* A block: one tile. Each of its 8 warps owns every eighth row and takes its ids in order. */
BCQ_KERNEL(256) gather_gradient_kernel(BCQ_ARGUMENTS(GatherArguments) a) {
  int* found = static_cast<int*>(shared_memory());
  for (int64_t first = 0; first < a.count; first += 256) {
    const int count = find_ids(a, block_index(), first, found);
    for (int f = 0; f < count; ++f) {
      if (found[256 + f] % 8 == warp_index()) {
        add_gathered(a, block_index(), found[256 + f], first + found[f]);
      }
    }
    sync_block();
  }
}

struct ColumnsArguments {
  Matrix matrix;
  int type;
  void* out; /* [columns, rows] */
};

/* A thread: one row in one word, so that neighbours write beside each other. */
BCQ_KERNEL(256) columns_kernel(BCQ_ARGUMENTS(ColumnsArguments) a) {
  const Matrix& m = a.matrix;
  const int64_t threads = block_count() * thread_count();
  const int64_t end = m.rows * m.words;
  for (int64_t at = block_index() * thread_count() + thread_index(); at < end; at += threads) {
    const int word = static_cast<int>(at / m.rows);
    const RowWord weights = row_word(m, at % m.rows, word);
    const int64_t row = original_row(m, at % m.rows);
    for (int bit = 0; bit < word_columns(m, word); ++bit) {
      store_as(a.out, a.type, (int64_t{word} * kWordBits + bit) * m.rows + row,
               weights.weight(bit));
    }
  }
}

namespace {

bool set_arguments(GatherArguments& a, const bcq_matrix* matrix, const int64_t* ids, int64_t count,
                   bcq_type type, int64_t* bad) {
  if (count < 0 || !is_type(type) || !bad || (count > 0 && !ids)) return false;
  a.ids = ids;
  a.count = count;
  a.type = type;
  a.bad = reinterpret_cast<uint64_t*>(bad);
  return set_matrix(matrix, a.matrix);
}

}  // namespace
}  // namespace bcq_cuda

using namespace bcq_cuda;

bcq_status bcq_cuda_gather(const bcq_matrix* matrix, const int64_t* ids, int64_t count,
                           bcq_type type, void* out, int64_t* bad, void* stream) {
  GatherArguments a = {};
  if (!set_arguments(a, matrix, ids, count, type, bad)) return BCQ_BAD_ARGUMENT;
  if (count > 0 && !out) return BCQ_BAD_ARGUMENT;
  a.out = out;
  const bcq_status status = fill_bytes(bad, 0xff, sizeof(*bad), stream);
  if (status != BCQ_OK || count == 0) return status;
  const int64_t blocks = least<int64_t>(rounded_up(count * a.matrix.words, 8), 1 << 20);
  return launch(gather_kernel, blocks, 256, 0, a, stream);
}

bcq_status bcq_cuda_gather_scale_gradient(const bcq_matrix* matrix, const int64_t* ids,
                                          int64_t count, bcq_type type, const void* dout,
                                          float* dscales, float* doffset, int64_t* bad,
                                          void* stream) {
  GatherArguments a = {};
  if (!set_arguments(a, matrix, ids, count, type, bad)) return BCQ_BAD_ARGUMENT;
  if ((count > 0 && !dout) || !dscales) return BCQ_BAD_ARGUMENT;
  const Matrix& m = a.matrix;
  a.out = const_cast<void*>(dout);
  a.dscales = dscales;
  a.doffset = doffset;
  const int64_t row_bytes = int64_t{m.groups} * m.rows * 4;
  bcq_status status = fill_bytes(bad, 0xff, sizeof(*bad), stream);
  if (status == BCQ_OK) status = fill_bytes(dscales, 0, row_bytes * m.bits, stream);
  if (status == BCQ_OK && doffset) status = fill_bytes(doffset, 0, row_bytes, stream);
  if (status != BCQ_OK || count == 0) return status;
  return launch(gather_gradient_kernel, rounded_up(m.rows, kTileRows), 256, kGatherShared, a,
                stream);
}

bcq_status bcq_cuda_check_ids(const int64_t* ids, const int64_t* bad, int64_t* index, int64_t* id,
                              void* stream) {
  if (!bad || !index || !id) return BCQ_BAD_ARGUMENT;
  bcq_status status = read_back(index, bad, sizeof(*index), stream);
  if (status != BCQ_OK || *index < 0) return status;
  if (!ids) return BCQ_BAD_ARGUMENT;
  status = read_back(id, ids + *index, sizeof(*id), stream);
  return status == BCQ_OK ? BCQ_BAD_ID : status;
}

bcq_status bcq_cuda_columns(const bcq_matrix* matrix, bcq_type type, void* out, void* stream) {
  ColumnsArguments a = {};
  if (!out || !is_type(type) || !set_matrix(matrix, a.matrix)) return BCQ_BAD_ARGUMENT;
  a.type = type;
  a.out = out;
  const int64_t rows = a.matrix.rows, words = a.matrix.words;
  const int64_t blocks = least<int64_t>(rounded_up(rows * words, 256), 1 << 20);
  return launch(columns_kernel, blocks, 256, 0, a, stream);
}
