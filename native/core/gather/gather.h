/* Rows of a matrix of binary codes: an embedding straight from its planes; and all columns. */
#ifndef BCQ_CORE_GATHER_H_
#define BCQ_CORE_GATHER_H_

#include "core/export.h"
#include "core/matrix.h"
#include "core/parallel.h"

/* ids [count], each from 0 to rows - 1 (of the original matrix) -> out [count, columns] of `type`.
 * BCQ_BAD_ID leaves `out` unspecified and tells the first bad one's index in *bad. */
BCQ_EXPORT bcq_status bcq_gather(const bcq_matrix* matrix, const int64_t* ids, int64_t count,
                                 bcq_type type, void* out, int64_t* bad, bcq_parallel parallel);

/* The matrix transposed, as kernels of layers are: out [columns, rows] of `type`. */
BCQ_EXPORT bcq_status bcq_columns(const bcq_matrix* matrix, bcq_type type, void* out,
                                  bcq_parallel parallel);

#endif
