/* Products of float32 matrices. */
#ifndef BCQ_RUNTIME_GRAPH_GEMM_H_
#define BCQ_RUNTIME_GRAPH_GEMM_H_

#include "runtime/graph/context.h"
#include "runtime/graph/numbers_of.h"

namespace bcq::graph {

/* A matrix of any strides: what lies between its rows, and between its columns. */
template <class T>
struct FactorOf {
  const T* data;
  int64_t row, column;
};
using Factor = FactorOf<float>;

/* c [m, n] = a [m, k] b [k, n], or the sum with it; rows of c are `stride` apart. The same bits
 * whatever context.parallel is. */
void multiply(Context& context, int64_t m, int64_t k, int64_t n, const Factor& a, const Factor& b,
              float* c, int64_t stride, bool adds = false);

/* Of other types, one by one. */
template <class T>
void multiply(Context& context, int64_t m, int64_t k, int64_t n, const FactorOf<T>& a,
              const FactorOf<T>& b, T* c, int64_t stride) {
  if (m == 0 || n == 0) return;
  context.charge(m, k, n);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      T sum = 0;
      for (int64_t p = 0; p < k; ++p) {
        sum = added(sum,
                    multiplied(a.data[i * a.row + p * a.column], b.data[p * b.row + j * b.column]));
      }
      c[i * stride + j] = sum;
    }
  }
}

}  // namespace bcq::graph

#endif
