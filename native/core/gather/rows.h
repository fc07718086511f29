/* Rows of a matrix by their ids. */
#ifndef BCQ_CORE_GATHER_ROWS_H_
#define BCQ_CORE_GATHER_ROWS_H_

#include "core/matrix.h"

namespace bcq {

/* The stored row that row `id` of the original matrix is. */
inline int64_t stored_row(const bcq_matrix* m, int64_t id) {
  return m->row_place == nullptr ? id : m->row_place[id];
}

/* Whether all of these are as bcq_gather() wants them: its status. */
bcq_status check_rows(const bcq_matrix* m, const int64_t* ids, int64_t count, bcq_type type,
                      const void* rows, int64_t* bad);

}  // namespace bcq

#endif
