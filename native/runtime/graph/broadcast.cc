#include "runtime/graph/broadcast.h"

#include <algorithm>

namespace bcq::graph {

Shape broadcast(const Shape& a, const Shape& b) {
  Shape whole;
  whole.rank = std::max(a.rank, b.rank);
  for (int axis = 0; axis < whole.rank; ++axis) {
    const int of_a = axis - whole.rank + a.rank, of_b = axis - whole.rank + b.rank;
    const int64_t n = of_a < 0 ? 1 : a[of_a], m = of_b < 0 ? 1 : b[of_b];
    if (n != m && n != 1 && m != 1) fail(a, " and ", b, " do not go together");
    whole[axis] = n == 1 ? m : n;
  }
  checked_count(whole);
  return whole;
}

void broadcast_strides(const Shape& shape, const Shape& whole, int64_t* strides) {
  int64_t own[kMostAxes];
  strides_of(shape, own);
  const int more = whole.rank - shape.rank;
  for (int axis = 0; axis < whole.rank; ++axis) {
    const int64_t length = axis < more ? 1 : shape[axis - more];
    strides[axis] = length == 1 ? 0 : own[axis - more];
    if (length == 1 || length == whole[axis]) continue;
    fail(shape, " cannot be repeated to ", whole);
  }
  if (more < 0) fail(shape, " cannot be repeated to ", whole);
}

}  // namespace bcq::graph
