/* The gradients of the product. */
#include "cuda/launch.h"
#include "cuda/product.h"
#include "cuda/scale_gradient.h"
#include "cuda/transposed_product.h"

using namespace bcq_cuda;

bcq_status bcq_cuda_product_transposed(const bcq_matrix* matrix, bcq_type type, const void* dy,
                                       int64_t batch, void* dx, void* stream) {
  TransposedArguments a = {};
  if (batch < 0 || !is_type(type) || !set_matrix(matrix, a.matrix)) return BCQ_BAD_ARGUMENT;
  if (batch == 0) return BCQ_OK;
  if (!dy || !dx) return BCQ_BAD_ARGUMENT;
  a.dy = dy;
  a.dx = dx;
  a.type = type;
  a.batch = batch;
  a.batch_blocks = rounded_up(batch, kTransposedBatch);
  return launch(transposed_product_kernel,
                rounded_up(a.matrix.columns, kTransposedColumns) * a.batch_blocks,
                kTransposedThreads, kTransposedShared, a, stream);
}

int64_t bcq_cuda_product_scale_gradient_workspace(const bcq_matrix* matrix) {
  Matrix m;
  if (!set_matrix(matrix, m)) return -1;
  return int64_t{m.groups} * slices_of(m) * (m.bits + 1) * m.rows * 4;
}

bcq_status bcq_cuda_product_scale_gradient(const bcq_matrix* matrix, bcq_type type, const void* x,
                                           const void* dy, int64_t batch, float* dscales,
                                           float* doffset, void* workspace, void* stream) {
  GradientArguments a = {};
  if (batch < 0 || !is_type(type) || !set_matrix(matrix, a.matrix)) return BCQ_BAD_ARGUMENT;
  if (!dscales || !workspace || (batch > 0 && (!x || !dy))) return BCQ_BAD_ARGUMENT;
  const Matrix& m = a.matrix;
  a.x = x;
  a.dy = dy;
  a.type = type;
  a.batch = batch;
  a.slices = slices_of(m);
  a.partial = static_cast<float*>(workspace);
  a.dscales = dscales;
  a.doffset = doffset;
  const bcq_status status =
      launch(scale_gradient_kernel, rounded_up(m.rows, kTileRows) * m.groups * a.slices,
             kGradientThreads, kGradientShared, a, stream);
  if (status != BCQ_OK) return status;
  return launch_for_each(add_slices_kernel, int64_t{m.groups} * (m.bits + 1) * m.rows, a, stream);
}
