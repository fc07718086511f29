/* Inputs that say where: axes, lengths and places. */
#ifndef BCQ_RUNTIME_GRAPH_INTEGERS_H_
#define BCQ_RUNTIME_GRAPH_INTEGERS_H_

#include "runtime/graph/context.h"

namespace bcq::graph {

/* Throws Failure unless it is an array of integers. */
void check_integers(const Array& x);

int64_t integer_at(const Array& x, int64_t index);

/* The only number of an array. */
int64_t only_integer(const Array& x);

/* All numbers of a short array. */
struct Few {
  static constexpr int kMost = 2 * kMostAxes;

  explicit Few(const Array& x);

  int count;
  int64_t values[kMost];

  int64_t operator[](int i) const { return values[i]; }
};

/* Lengths as a shape, all 0 or more. */
Shape shape_of(const Array& x);

/* The axis that a number means, which may count from the end. */
int axis_of(int64_t axis, int rank);

/* Axes by their bits. */
uint32_t axes_of(const Array& x, int rank);

/* Throws Failure of BCQ_BAD_ID, which names the id. */
[[noreturn]] void fail_id(int64_t id, int64_t length);

/* The same unless all ids are from 0 to length - 1. */
void check_ids(const Array& ids, int64_t length);

/* Ids as int64: those that there are, or a copy. */
Array wide_ids(Context& context, const Array& ids);

}  // namespace bcq::graph

#endif
