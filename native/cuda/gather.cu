/* Rows by their ids, and the gradient. */
#include "gather.h"

#include "gather_rows.h"
#include "launch.h"

namespace bcq_cuda {
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
