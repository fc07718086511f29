/* y = x W^T for a matrix of binary codes, and x = y W. */
#ifndef BCQ_CORE_PRODUCT_H_
#define BCQ_CORE_PRODUCT_H_

#include "core/export.h"
#include "core/matrix.h"
#include "core/parallel.h"

typedef enum { BCQ_EXACT = 0, BCQ_FAST = 1 } bcq_precision;

/* x [batch, columns] -> y [batch, rows], both of `type`. The result is the same for every
 * `parallel`; where exact it is also the same for every split of the batch and every instruction
 * set. */
BCQ_EXPORT bcq_status bcq_product(const bcq_matrix* matrix, bcq_precision precision, bcq_type type,
                                  const void* x, int64_t batch, void* y, bcq_parallel parallel);

/* The gradient with respect to x: dy [batch, rows] -> dx [batch, columns], both of `type`. */
BCQ_EXPORT bcq_status bcq_product_transposed(const bcq_matrix* matrix, bcq_type type,
                                             const void* dy, int64_t batch, void* dx,
                                             bcq_parallel parallel);

#endif
