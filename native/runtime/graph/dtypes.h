/* Arrays in other dtypes. */
#ifndef BCQ_RUNTIME_GRAPH_DTYPES_H_
#define BCQ_RUNTIME_GRAPH_DTYPES_H_

#include "runtime/graph/context.h"

namespace bcq::graph {

/* The numbers of an array in another dtype: whole numbers towards 0, of integers the lowest bits.
 */
Array as_dtype(Context& context, const Array& x, bcq_dtype dtype);

/* Whether it is an integer that is computed with as int64. */
bool is_short_integer(bcq_dtype dtype);

/* int64 in place of integers of other types and of booleans; what else there is stays. */
Array widened(Context& context, const Array& x);

}  // namespace bcq::graph

#endif
