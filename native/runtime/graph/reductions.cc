/* Operations that take the numbers along some axes to one. */
#include <algorithm>
#include <cmath>

#include "runtime/graph/integers.h"
#include "runtime/graph/lanes.h"
#include "runtime/graph/operations.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

namespace {

/* The axes of an array that is reduced, neighbours of one kind made one. */
struct Axes {
  int rank = 0;
  int64_t lengths[kMostAxes];
  bool reduced[kMostAxes];
  Shape shape;          /* of the result */
  int64_t together = 1; /* numbers that become one */

  Axes(const Shape& x, uint32_t which, bool keep) {
    for (int axis = 0; axis < x.rank; ++axis) {
      const bool goes = (which >> axis & 1) != 0;
      if (goes) together *= x[axis];
      if (!goes || keep) shape.add(goes ? 1 : x[axis]);
      if (x[axis] == 1) continue;
      if (rank > 0 && reduced[rank - 1] == goes) {
        lengths[rank - 1] *= x[axis];
        continue;
      }
      lengths[rank] = x[axis];
      reduced[rank++] = goes;
    }
  }

  /* Calls visit(place of the row in x, place in the result) for each row of the last axis. */
  template <class Visit>
  void rows(const Visit& visit) const {
    int64_t at[kMostAxes] = {}, steps[kMostAxes], place = 0, result = 0, step = 1;
    for (int i = rank - 1; i >= 0; --i) {
      steps[i] = reduced[i] ? 0 : step;
      if (!reduced[i]) step *= lengths[i];
    }
    for (;;) {
      visit(place, result);
      place += lengths[rank - 1];
      int axis = rank - 2;
      for (; axis >= 0; --axis) {
        result += steps[axis];
        if (++at[axis] < lengths[axis]) break;
        at[axis] = 0;
        result -= steps[axis] * lengths[axis];
      }
      if (axis < 0) return;
    }
  }
};

/* Sums of Sum, which are then rounded to T by finish(sum). */
template <class Of, class Sum, class T, class Finish>
Array reduced(Context& context, const Array& x, const Axes& axes, Sum start, const Finish& finish) {
  context.charge(x.count);
  Array result = context.make(x.dtype, axes.shape);
  if (result.count == 0) return result;
  Scratch<Sum> sums(context, result.count);
  std::fill_n(sums.data(), result.count, start);
  const T* const numbers = x.numbers<T>();
  const int last = axes.rank - 1;
  if (x.count > 0 && last < 0) {
    sums[0] = Of::of(start, static_cast<Sum>(*numbers));
  } else if (x.count > 0) {
    const int64_t length = axes.lengths[last];
    axes.rows([&](int64_t place, int64_t to) {
      const T* const row = numbers + place;
      Sum* const sum = sums.data() + to;
      if (axes.reduced[last]) {
        *sum = row_to_one<Of>(row, length, *sum);
      } else {
        for (int64_t i = 0; i < length; ++i) sum[i] = Of::of(sum[i], static_cast<Sum>(row[i]));
      }
    });
  }
  for (int64_t i = 0; i < result.count; ++i) result.numbers<T>()[i] = finish(sums[i]);
  return result;
}

struct Times {
  template <class T>
  static T of(T a, T b) {
    return multiplied(a, b);
  }
};
struct Smaller {
  template <class T>
  static T of(T a, T b) {
    return smaller_of(a, b);
  }
};
struct Both {
  static bool of(bool a, bool b) { return a & b; }
};
struct Either {
  static bool of(bool a, bool b) { return a | b; }
};

template <class T>
constexpr T kLeast =
    kIsFloat<T> ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();
template <class T>
constexpr T kMost =
    kIsFloat<T> ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::max();

Axes axes_to_reduce(const Node& node, const Array* in) {
  check_numbers(in[0]);
  return Axes(in[0].shape, axes_of(in[1], in[0].rank()), node[0].integer != 0);
}

template <class Of, int kStart, class Allowed>
void reduce(Context& context, const Node& node, Array* in, Array* out) {
  const Axes axes = axes_to_reduce(node, in);
  visit(Allowed(), in[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    const T start = static_cast<T>(kStart);
    *out = reduced<Of, T, T>(context, in[0], axes, start, [](T sum) { return sum; });
  });
}

template <class Of, bool kLargest>
void reduce_extreme(Context& context, const Node& node, Array* in, Array* out) {
  const Axes axes = axes_to_reduce(node, in);
  if (axes.together == 0) fail("nothing has a largest or smallest number");
  visit(Numbers(), in[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    const T start = kLargest ? kLeast<T> : kMost<T>;
    *out = reduced<Of, T, T>(context, in[0], axes, start, [](T sum) { return sum; });
  });
}

void reduce_mean(Context& context, const Node& node, Array* in, Array* out) {
  const Axes axes = axes_to_reduce(node, in);
  visit(Numbers(), in[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    using Sum = std::conditional_t<kIsFloat<T>, T, double>;
    if (!kIsFloat<T> && axes.together == 0) fail("nothing has a mean");
    const Sum count = static_cast<Sum>(axes.together);
    *out = reduced<Plus, Sum, T>(context, in[0], axes, Sum(0),
                                 [&](Sum sum) { return static_cast<T>(sum / count); });
  });
}

constexpr AttributeRule kKeep = {"keep", AttributeType::kFlag};

constexpr Operation kOperations[] = {
    {"reduce_sum", reduce<Plus, 0, Numbers>, 2, 2, {kKeep}},
    {"reduce_product", reduce<Times, 1, Numbers>, 2, 2, {kKeep}},
    {"reduce_max", reduce_extreme<Larger, true>, 2, 2, {kKeep}},
    {"reduce_min", reduce_extreme<Smaller, false>, 2, 2, {kKeep}},
    {"reduce_all", reduce<Both, 1, Bool>, 2, 2, {kKeep}},
    {"reduce_any", reduce<Either, 0, Bool>, 2, 2, {kKeep}},
    {"reduce_mean", reduce_mean, 2, 2, {kKeep}},
};

}  // namespace

Operations reduction_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
