#include "core/gather/gather.h"

#include "core/gather/rows.h"
#include "core/isa/instruction_set.h"

namespace {

using namespace bcq;

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

}  // namespace

bcq_status bcq::check_rows(const bcq_matrix* m, const int64_t* ids, int64_t count, bcq_type type,
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

bcq_status bcq_gather(const bcq_matrix* matrix, const int64_t* ids, int64_t count, bcq_type type,
                      void* out, int64_t* bad, bcq_parallel parallel) {
  const bcq_status status = check_rows(matrix, ids, count, type, out, bad);
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
