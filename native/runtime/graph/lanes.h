/* All numbers of a row to one, in lanes that compilers make vectors of. */
#ifndef BCQ_RUNTIME_GRAPH_LANES_H_
#define BCQ_RUNTIME_GRAPH_LANES_H_

#include "runtime/graph/numbers_of.h"

namespace bcq::graph {

struct Plus {
  template <class T>
  static T of(T a, T b) {
    return added(a, b);
  }
};
struct Larger {
  template <class T>
  static T of(T a, T b) {
    return larger(a, b);
  }
};

template <class Of, class T>
T row_to_one(const T* x, int64_t count, T start) {
  constexpr int kLanes = 16;
  if (count < kLanes) {
    for (int64_t i = 0; i < count; ++i) start = Of::of(start, x[i]);
    return start;
  }
  T lanes[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) lanes[lane] = x[lane];
  int64_t i = kLanes;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      lanes[lane] = Of::of(lanes[lane], x[i + lane]);
    }
  }
  for (; i < count; ++i) lanes[i % kLanes] = Of::of(lanes[i % kLanes], x[i]);
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int lane = 0; lane < half; ++lane) lanes[lane] = Of::of(lanes[lane], lanes[lane + half]);
  }
  return Of::of(start, lanes[0]);
}

}  // namespace bcq::graph

#endif
