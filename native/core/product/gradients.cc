#include <cstdlib>

#include "core/isa/instruction_set.h"
#include "core/memory.h"

namespace {

using namespace bcq;

/* Arranges dy, [row tiles][rows][64], and runs part(first row of the batch, rows, dy, begin, end)
 * on ranges of the items, for kGradientBatch rows of the batch at a time. */
template <class Part>
bcq_status run_batches(const bcq_matrix* m, bcq_type type, const void* dy, int64_t batch,
                       int64_t items, const bcq_parallel& parallel, const Part& part) {
  const int64_t tiles = row_tiles(m), most = smaller(batch, kGradientBatch);
  const Memory<float> memory(
      static_cast<float*>(std::aligned_alloc(64, tiles * most * kTileRows * sizeof(float))));
  if (memory == nullptr) return BCQ_NO_MEMORY;
  float* arranged = memory.get();
  const double weights = static_cast<double>(tiles * kTileRows) / items * m->columns;
  for (int64_t row = 0; row < batch; row += most) {
    const int64_t rows = smaller(most, batch - row);
    run(parallel, tiles, 16.0 * rows, [&](int64_t begin, int64_t end) {
      for (int64_t tile = begin; tile < end; ++tile) {
        isa().product->arrange(m, type, element(dy, type, row * m->rows), rows, tile,
                               arranged + tile * rows * kTileRows);
      }
    });
    run(parallel, items, weights * (.03 * rows + .1 * m->bits),
        [&](int64_t begin, int64_t end) { part(row, rows, arranged, begin, end); });
  }
  return BCQ_OK;
}

}  // namespace

bcq_status bcq_product_transposed(const bcq_matrix* matrix, bcq_type type, const void* dy,
                                  int64_t batch, void* dx, bcq_parallel parallel) {
  if (!valid(matrix, type) || batch < 0) return BCQ_BAD_ARGUMENT;
  if (!rows_paired(matrix)) return BCQ_BAD_ROWS;
  if (batch == 0) return BCQ_OK;
  if (dy == nullptr || dx == nullptr) return BCQ_BAD_ARGUMENT;
  return run_batches(
      matrix, type, dy, batch, words_per_row(matrix), parallel,
      [&](int64_t row, int64_t rows, const float* arranged, int64_t begin, int64_t end) {
        void* to = element(dx, type, row * matrix->columns);
        for (int64_t word = begin; word < end; ++word) {
          isa().product->transposed(matrix, arranged, rows, word, type, to);
        }
      });
}

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
          isa().product->scale_gradient(matrix, type, from, arranged + tile * rows * kTileRows,
                                        rows, tile, dscales, doffset);
        }
      });
}
