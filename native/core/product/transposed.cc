#include "core/product/arranged.h"

using namespace bcq;

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
