/* Arrays in half precision: float16 to float32 and back. */
#ifndef BCQ_RUNTIME_GRAPH_HALF_H_
#define BCQ_RUNTIME_GRAPH_HALF_H_

#include "runtime/graph/context.h"
#include "runtime/half.h"

namespace bcq::graph {

using runtime::from_half;
using runtime::to_half;

Array widened(Context& context, const Array& half);
Array narrowed(Context& context, const Array& single);

/* The numbers of an array in another dtype. */
Array as_dtype(Context& context, const Array& x, bcq_dtype dtype);

}  // namespace bcq::graph

#endif
