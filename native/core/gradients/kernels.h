/* The inner functions of gradients, one set for each instruction set. */
#ifndef BCQ_CORE_GRADIENTS_KERNELS_H_
#define BCQ_CORE_GRADIENTS_KERNELS_H_

#include "core/lookup/kernels.h"
#include "core/product/kernels.h"

namespace bcq {

struct GradientKernels {
  /* Adds to the gradients of the scales and offsets of one row tile; dy [batch][64]. */
  void (*scale_gradient)(const bcq_matrix*, bcq_type, const void* x, const float* dy, int64_t batch,
                         int64_t tile, float* dscales, float* doffset);
  /* Gradients of the scales and offsets of one stored row: the sum of the `count` rows of dout
   * [.., columns] that `places` lists. */
  void (*row_scale_gradient)(const bcq_matrix*, int64_t row, bcq_type, const void* dout,
                             const int64_t* places, int64_t count, float* dscales, float* doffset);
  /* sums += dout for the vectors of codebooks `first` to `last` - 1, one row after the other:
   * `columns` columns from dout[0] on, whose rows are as long as vectors are. sums begins with the
   * first vector of codebook `first`; the next one is `stride` further on. */
  void (*scatter)(const bcq_compositional*, const int32_t* vectors, int64_t count, int64_t first,
                  int64_t last, int64_t columns, const float* dout, float* sums, int64_t stride);
};

/* Fills the gradients of all scales and, where there is one, of the offset with 0. */
void clear_gradients(const bcq_matrix* matrix, float* dscales, float* doffset);

}  // namespace bcq

#endif
