#include <cstdlib>
#include <cstring>

#include "core/gather/rows.h"
#include "core/gradients/gradients.h"
#include "core/isa/instruction_set.h"
#include "core/memory.h"

namespace {

using namespace bcq;

/* Sorts the places of the ids by stored row, in order within each: starts [rows + 1], places
 * [count]. */
void sort_places(const bcq_matrix* m, const int64_t* ids, int64_t count, int64_t* starts,
                 int64_t* places) {
  std::memset(starts, 0, (m->rows + 1) * sizeof(int64_t));
  for (int64_t i = 0; i < count; ++i) ++starts[stored_row(m, ids[i]) + 1];
  for (int64_t r = 0; r < m->rows; ++r) starts[r + 1] += starts[r];
  for (int64_t i = 0; i < count; ++i) places[starts[stored_row(m, ids[i])]++] = i;
  for (int64_t r = m->rows; r > 0; --r) starts[r] = starts[r - 1];
  starts[0] = 0;
}

}  // namespace

bcq_status bcq_gather_scale_gradient(const bcq_matrix* matrix, const int64_t* ids, int64_t count,
                                     bcq_type type, const void* dout, float* dscales,
                                     float* doffset, int64_t* bad, bcq_parallel parallel) {
  if (dscales == nullptr) return BCQ_BAD_ARGUMENT;
  const bcq_status status = check_rows(matrix, ids, count, type, dout, bad);
  if (status != BCQ_OK) return status;
  clear_gradients(matrix, dscales, doffset);
  if (count == 0) return BCQ_OK;
  const int64_t rows = matrix->rows;
  const Memory<int64_t> memory(
      static_cast<int64_t*>(std::malloc((rows + 1 + count) * sizeof(int64_t))));
  if (memory == nullptr) return BCQ_NO_MEMORY;
  /* Stored row r was asked for at places[starts[r]], ... */
  int64_t *starts = memory.get(), *places = starts + rows + 1;
  sort_places(matrix, ids, count, starts, places);
  const double weights = static_cast<double>(matrix->columns) * (count + .5 * matrix->bits);
  run(parallel, rows, .3 * weights / rows, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t asked = starts[row + 1] - starts[row];
      if (asked == 0) continue;
      isa().gradients->row_scale_gradient(matrix, row, type, dout, places + starts[row], asked,
                                          dscales, doffset);
    }
  });
  return BCQ_OK;
}
