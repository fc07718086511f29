/* What operations get beside their inputs: memory, threads, and how much they may still compute. */
#ifndef BCQ_RUNTIME_GRAPH_CONTEXT_H_
#define BCQ_RUNTIME_GRAPH_CONTEXT_H_

#include "core/parallel.h"
#include "runtime/graph/array.h"

namespace bcq::graph {

struct Context {
  Pool pool;
  bcq_parallel parallel = {nullptr, nullptr, 1};
  int64_t operations_limit = INT64_MAX;
  int64_t operations_left = INT64_MAX;

  /* Counts what is about to be computed. Throws Failure where that is more than may be. */
  void charge(int64_t operations);
  /* The same of a product of counts, which may be too large for one number. */
  void charge(int64_t a, int64_t b, int64_t c = 1);

  /* An array of any content, charged. */
  Array make(bcq_dtype dtype, const Shape& shape);
  Array zeros(bcq_dtype dtype, const Shape& shape);
  /* A list of places with nothing in them. */
  Array make_list(int64_t places);

  /* `x` itself where nobody else uses it, else an array of its shape; for what is computed number
   * by number. */
  Array like(Array* x);
  /* `x` itself where nobody else uses it, else a copy. */
  Array own(Array* x);
};

/* Memory in which an operation keeps something meanwhile. */
template <class T>
struct Scratch {
  Scratch(Context& context, int64_t count)
      : memory(context.make(BCQ_U8, {count * static_cast<int64_t>(sizeof(T))})) {}
  T* data() { return memory.numbers<T>(); }
  T& operator[](int64_t i) { return data()[i]; }

  Array memory;
};

}  // namespace bcq::graph

#endif
