#include <cstring>

#include "core/gradients/gradients.h"
#include "core/product/arranged.h"

namespace bcq {

void clear_gradients(const bcq_matrix* m, float* dscales, float* doffset) {
  const int64_t bytes = groups(m) * m->rows * sizeof(float);
  std::memset(dscales, 0, bytes * m->bits);
  if (doffset != nullptr) std::memset(doffset, 0, bytes);
}

}  // namespace bcq

using namespace bcq;

bcq_status bcq_product_scale_gradient(const bcq_matrix* matrix, bcq_type type, const void* x,
                                      const void* dy, int64_t batch, float* dscales, float* doffset,
                                      bcq_parallel parallel) {
  if (!valid(matrix, type) || batch < 0 || dscales == nullptr) return BCQ_BAD_ARGUMENT;
  if (!rows_paired(matrix)) return BCQ_BAD_ROWS;
  if (batch > 0 && (x == nullptr || dy == nullptr)) return BCQ_BAD_ARGUMENT;
  clear_gradients(matrix, dscales, doffset);
  if (batch == 0) return BCQ_OK;
  return run_batches(
      matrix, type, dy, batch, row_tiles(matrix), parallel,
      [&](int64_t row, int64_t rows, const float* arranged, int64_t begin, int64_t end) {
        const void* from = element(x, type, row * matrix->columns);
        for (int64_t tile = begin; tile < end; ++tile) {
          isa().gradients->scale_gradient(matrix, type, from, arranged + tile * rows * kTileRows,
                                          rows, tile, dscales, doffset);
        }
      });
}
