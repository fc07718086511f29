/* What is done with some rows of packed integers at once, one set of functions for each instruction
 * set. */
#ifndef BCQ_CORE_LOOKUP_KERNELS_H_
#define BCQ_CORE_LOOKUP_KERNELS_H_

#include "../product/kernels.h"
#include "lookup.h"

namespace bcq {

enum { kLookupRows = 64 }; /* rows that are worked on together, at most */

/* Indexes of a row as they are unpacked: all, and some numbers that mean nothing. */
static inline int64_t index_stride(const bcq_compositional* t) {
  return divide_up(t->count, 16) * 16;
}

struct LookupKernels {
  /* The values of `count` rows, out [count][columns]; rows of zeros are as the others. */
  void (*levels)(const bcq_uniform*, const int64_t* rows, int64_t count, float* out);
  /* Which of the codebooks' vectors, counted through all of them, make up `count` rows: vectors
   * [count][index_stride]. False: an index is too large. */
  bool (*indexes)(const bcq_compositional*, const int64_t* rows, int64_t count, int32_t* vectors);
  /* The sums of these vectors, out [count][columns]. */
  void (*sum)(const bcq_compositional*, const int32_t* vectors, int64_t count, float* out);
  /* sums[vector] += dout for the vectors of codebooks `first` to `last` - 1, one row after the
   * other: `columns` columns from dout[0] and sums[0] on, rows of both as long as vectors are. */
  void (*scatter)(const bcq_compositional*, const int32_t* vectors, int64_t count, int64_t first,
                  int64_t last, int64_t columns, const float* dout, float* sums);
};

extern const LookupKernels kPortableLookup;
extern const LookupKernels kAvx2Lookup;
extern const LookupKernels kAvx512Lookup;

}  // namespace bcq

#endif
