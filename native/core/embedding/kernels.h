/* What is done with many short rows at once, one set of functions for each instruction set. */
#ifndef BCQ_CORE_EMBEDDING_KERNELS_H_
#define BCQ_CORE_EMBEDDING_KERNELS_H_

#include "core/arrays.h"

namespace bcq {

/* One row: the element of the tables with which it begins, and the row of the batch. */
struct Place {
  int64_t element, row;
};

struct EmbeddingKernels {
  /* out[row * stride] = table[element], `bytes` of each; element and stride in bytes too. */
  void (*copy)(const Place* places, int64_t count, const char* table, char* out, int64_t stride,
               int64_t bytes);
  /* sums[element] += dout[row * stride], `columns` numbers of each, one place after the other. */
  void (*add)(const Place* places, int64_t count, bcq_type type, const void* dout, int64_t stride,
              int64_t columns, float* sums);
  /* Numbers of `type` from float32. */
  void (*round)(const float* from, int64_t count, bcq_type type, void* to);
};

}  // namespace bcq

#endif
