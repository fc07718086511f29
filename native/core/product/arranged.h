/* Products that go through y row tile by row tile of the matrix. */
#ifndef BCQ_CORE_PRODUCT_ARRANGED_H_
#define BCQ_CORE_PRODUCT_ARRANGED_H_

#include <cstdlib>

#include "core/isa/instruction_set.h"
#include "core/memory.h"

namespace bcq {

/* Arranges dy, [row tiles][rows][64], and runs part(first row of the batch, rows, dy, begin, end)
 * on ranges of the items, for kArrangedRows rows of the batch at a time. */
template <class Part>
bcq_status run_batches(const bcq_matrix* m, bcq_type type, const void* dy, int64_t batch,
                       int64_t items, const bcq_parallel& parallel, const Part& part) {
  const int64_t tiles = row_tiles(m), most = smaller(batch, kArrangedRows);
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

}  // namespace bcq

#endif
