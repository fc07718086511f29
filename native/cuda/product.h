/* core/product/product.h for CUDA. `matrix` and its `plane_rows` lie in host memory, every other
 * pointer, those in `matrix` too, in device memory. `tiles` must be aligned to 16 bytes.
 *
 * Each function starts kernels on `stream` (a cudaStream_t) of the current device and returns at
 * once: it neither waits nor takes memory. The workspace, as many bytes as the function beside it
 * says, aligned to 16 bytes, is free again when the stream has passed; it may be NULL where that is
 * 0. No sum depends on timing: the same arguments give the same bits.
 *
 * They return BCQ_BAD_ARGUMENT where an argument breaks its rule or the sizes pass what one launch
 * can do (rows and columns below 2^31, 2^31 blocks), and BCQ_NO_DEVICE where CUDA refuses a launch.
 */
#ifndef BCQ_CUDA_PRODUCT_H_
#define BCQ_CUDA_PRODUCT_H_

#include "core/export.h"
#include "core/product/product.h"

/* Bytes of workspace; -1 where an argument breaks its rule. */
BCQ_EXPORT int64_t bcq_cuda_product_workspace(const bcq_matrix* matrix, bcq_precision precision,
                                              int64_t batch);

/* x [batch, columns] -> y [batch, rows], both of `type`.
 *
 * BCQ_EXACT: x in 24-bit fixed point for every 4,096 columns, integer sums, float32 beyond: an
 * error as of a float32 product. The bits of a row of y depend on that row of x alone. BCQ_FAST:
 * the same up to batch 2, 16-bit fixed point up to batch 32, bfloat16 weights and x with float32
 * sums beyond: at most 1e-2 relative rms. */
BCQ_EXPORT bcq_status bcq_cuda_product(const bcq_matrix* matrix, bcq_precision precision,
                                       bcq_type type, const void* x, int64_t batch, void* y,
                                       void* workspace, void* stream);

/* dy [batch, rows] -> dx [batch, columns], both of `type`, in float32. */
BCQ_EXPORT bcq_status bcq_cuda_product_transposed(const bcq_matrix* matrix, bcq_type type,
                                                  const void* dy, int64_t batch, void* dx,
                                                  void* stream);

BCQ_EXPORT int64_t bcq_cuda_product_scale_gradient_workspace(const bcq_matrix* matrix);

/* dscales float32 [groups][bits][rows], doffset float32 [groups][rows] or NULL. */
BCQ_EXPORT bcq_status bcq_cuda_product_scale_gradient(const bcq_matrix* matrix, bcq_type type,
                                                      const void* x, const void* dy, int64_t batch,
                                                      float* dscales, float* doffset,
                                                      void* workspace, void* stream);

#endif
