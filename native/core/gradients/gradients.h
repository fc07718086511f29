/* Gradients with respect to what codes are made of: scales, offsets and codebooks. Those with
 * respect to inputs are bcq_product_transposed(). */
#ifndef BCQ_CORE_GRADIENTS_H_
#define BCQ_CORE_GRADIENTS_H_

#include "core/export.h"
#include "core/lookup/lookup.h"
#include "core/matrix.h"
#include "core/parallel.h"

/* Of a product, with respect to the scales, float32 [groups][bits][rows] (0 where the plane does
 * not cover the row), and, where it is not NULL, to the offset, float32 [groups][rows]. */
BCQ_EXPORT bcq_status bcq_product_scale_gradient(const bcq_matrix* matrix, bcq_type type,
                                                 const void* x, const void* dy, int64_t batch,
                                                 float* dscales, float* doffset,
                                                 bcq_parallel parallel);

/* Of rows that were gathered, likewise: dout [count, columns]. Each
 * row's sum runs in the order of the ids, whatever `parallel` is. */
BCQ_EXPORT bcq_status bcq_gather_scale_gradient(const bcq_matrix* matrix, const int64_t* ids,
                                                int64_t count, bcq_type type, const void* dout,
                                                float* dscales, float* doffset, int64_t* bad,
                                                bcq_parallel parallel);

/* Of rows of a table, with respect to the codebooks, which are not read: dout [count, columns] ->
 * dcodebooks [codebooks, entries, columns]. Each element is a float32 sum in the order of the ids,
 * whatever `parallel` is. */
BCQ_EXPORT bcq_status bcq_compositional_gradient(const bcq_compositional* table, bcq_ids ids,
                                                 int64_t count, const float* dout,
                                                 float* dcodebooks, int64_t* bad,
                                                 bcq_parallel parallel);

#endif
