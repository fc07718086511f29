/* y = x W^T for a matrix of binary codes, and what its gradients need. */
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

/* The gradient with respect to the scales, float32 [groups][bits][rows] (0 where the plane does not
 * cover the row), and, where it is not NULL, to the offset, float32 [groups][rows]. */
BCQ_EXPORT bcq_status bcq_product_scale_gradient(const bcq_matrix* matrix, bcq_type type,
                                                 const void* x, const void* dy, int64_t batch,
                                                 float* dscales, float* doffset,
                                                 bcq_parallel parallel);

#endif
