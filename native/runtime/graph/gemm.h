/* Products of matrices. */
#ifndef BCQ_RUNTIME_GRAPH_GEMM_H_
#define BCQ_RUNTIME_GRAPH_GEMM_H_

#include "runtime/graph/context.h"

namespace bcq::graph {

/* A matrix of any strides: what lies between its rows, and between its columns. */
template <class T>
struct FactorOf {
  const T* data;
  int64_t row, column;
};
using Factor = FactorOf<float>;
using AnyFactor = FactorOf<char>; /* of a dtype that is said elsewhere; strides in elements */

/* c [m, n] = a [m, k] b [k, n], or the sum with it; rows of c are `stride` apart. The same bits
 * whatever context.parallel is. */
void multiply(Context& context, int64_t m, int64_t k, int64_t n, const Factor& a, const Factor& b,
              float* c, int64_t stride, bool adds = false);

/* The same of any dtype that is computed with, c [m, n] contiguous. Others than float32 are
 * multiplied one by one. */
void multiply(Context& context, bcq_dtype dtype, int64_t m, int64_t k, int64_t n,
              const AnyFactor& a, const AnyFactor& b, char* c);

}  // namespace bcq::graph

#endif
