/* core/gather/gather.h for CUDA; the rules of product.h hold. What is wrong with an id shows on the
 * device alone: *bad becomes the index of the first id that is no row, or -1.
 * bcq_cuda_check_ids() brings it to the host. */
#ifndef BCQ_CUDA_GATHER_H_
#define BCQ_CUDA_GATHER_H_

#include "core/export.h"
#include "core/matrix.h"

/* ids [count] -> out [count, columns] of `type`; NaN in the rows of bad ids. */
BCQ_EXPORT bcq_status bcq_cuda_gather(const bcq_matrix* matrix, const int64_t* ids, int64_t count,
                                      bcq_type type, void* out, int64_t* bad, void* stream);

/* dout [count, columns] -> dscales, doffset as of bcq_cuda_product_scale_gradient. Each row's sum
 * runs in the order of the ids; bad ids count for nothing. */
BCQ_EXPORT bcq_status bcq_cuda_gather_scale_gradient(const bcq_matrix* matrix, const int64_t* ids,
                                                     int64_t count, bcq_type type, const void* dout,
                                                     float* dscales, float* doffset, int64_t* bad,
                                                     void* stream);

/* out [columns, rows] of `type`: the matrix transposed. */
BCQ_EXPORT bcq_status bcq_cuda_columns(const bcq_matrix* matrix, bcq_type type, void* out,
                                       void* stream);

/* Waits until the stream has passed. BCQ_BAD_ID where `bad`, in device memory, is not -1; then
 * *index is its value and *id is the id there, both in host memory. */
BCQ_EXPORT bcq_status bcq_cuda_check_ids(const int64_t* ids, const int64_t* bad, int64_t* index,
                                         int64_t* id, void* stream);

#endif
