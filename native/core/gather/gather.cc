#include "core/gather/gather.h"

#include <cstdlib>
#include <cstring>

#include "core/isa/instruction_set.h"
#include "core/memory.h"

namespace {

using namespace bcq;

/* The stored row that row `id` of the original matrix is. */
int64_t stored_row(const bcq_matrix* m, int64_t id) {
  return m->row_place == nullptr ? id : m->row_place[id];
}

/* Whether the stored row of `id` is one, and is that of no other id. */
bool paired(const bcq_matrix* m, int64_t id) {
  if (m->row_place == nullptr) return true;
  const int64_t stored = m->row_place[id];
  return stored >= 0 && stored < m->rows && m->row_order[stored] == id;
}

/* The index of the first id that is no row; `count` where there is none. */
int64_t first_bad(const bcq_matrix* m, const int64_t* ids, int64_t count) {
  int64_t i = 0;
  while (i < count && ids[i] >= 0 && ids[i] < m->rows) ++i;
  return i;
}

bcq_status check(const bcq_matrix* m, const int64_t* ids, int64_t count, bcq_type type,
                 const void* rows, int64_t* bad) {
  if (!valid(m, type) || count < 0 || bad == nullptr) return BCQ_BAD_ARGUMENT;
  if (count > 0 && (ids == nullptr || rows == nullptr)) return BCQ_BAD_ARGUMENT;
  const int64_t index = first_bad(m, ids, count);
  if (index < count) {
    *bad = index;
    return BCQ_BAD_ID;
  }
  /* The rows of other ids do not matter, and there may be very many. */
  for (int64_t i = 0; i < count; ++i) {
    if (!paired(m, ids[i])) return BCQ_BAD_ROWS;
  }
  return BCQ_OK;
}

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

bcq_status bcq_gather(const bcq_matrix* matrix, const int64_t* ids, int64_t count, bcq_type type,
                      void* out, int64_t* bad, bcq_parallel parallel) {
  const bcq_status status = check(matrix, ids, count, type, out, bad);
  if (status != BCQ_OK) return status;
  const double weights = static_cast<double>(matrix->columns) * matrix->bits;
  run(parallel, count, .2 * weights, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      isa().product->reconstruct_row(matrix, stored_row(matrix, ids[i]), type,
                                     element(out, type, i * matrix->columns));
    }
  });
  return BCQ_OK;
}

bcq_status bcq_gather_scale_gradient(const bcq_matrix* matrix, const int64_t* ids, int64_t count,
                                     bcq_type type, const void* dout, float* dscales,
                                     float* doffset, int64_t* bad, bcq_parallel parallel) {
  if (dscales == nullptr) return BCQ_BAD_ARGUMENT;
  const bcq_status status = check(matrix, ids, count, type, dout, bad);
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
      isa().product->row_scale_gradient(matrix, row, type, dout, places + starts[row], asked,
                                        dscales, doffset);
    }
  });
  return BCQ_OK;
}

bcq_status bcq_columns(const bcq_matrix* matrix, bcq_type type, void* out, bcq_parallel parallel) {
  if (!valid(matrix, type) || out == nullptr) return BCQ_BAD_ARGUMENT;
  if (!rows_paired(matrix)) return BCQ_BAD_ROWS;
  const double weights = static_cast<double>(matrix->rows) * kWordBits;
  run(parallel, words_per_row(matrix), .2 * weights * matrix->bits,
      [&](int64_t begin, int64_t end) {
        for (int64_t word = begin; word < end; ++word) {
          isa().product->columns_of_word(matrix, word, type, out);
        }
      });
  return BCQ_OK;
}
