/* Operations that take the numbers along some axes to one. */
#include <algorithm>
#include <cmath>

#include "runtime/graph/dtypes.h"
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

template <class T>
constexpr T kLeast =
    kIsFloat<T> ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();

struct Sum : Plus {
  template <class T>
  static T start() {
    return 0;
  }
};
struct Product {
  template <class T>
  static T of(T a, T b) {
    return multiplied(a, b);
  }
  template <class T>
  static T start() {
    return 1;
  }
};
struct Largest : Larger {
  template <class T>
  static T start() {
    return kLeast<T>;
  }
};
struct Smallest {
  template <class T>
  static T of(T a, T b) {
    return smaller_of(a, b);
  }
  template <class T>
  static T start() {
    return kIsFloat<T> ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::max();
  }
};

/* How numbers of one type become one. */
struct Kernels {
  int64_t item_bytes;
  void (*start)(char* sums, int64_t count);
  void (*row)(const char* x, int64_t count, char* sum);      /* to one sum */
  void (*columns)(const char* x, int64_t count, char* sums); /* to a sum each */
};

template <class Of, class T>
struct KernelsOf {
  static void start(char* sums, int64_t count) {
    std::fill_n(reinterpret_cast<T*>(sums), count, Of::template start<T>());
  }
  static void row(const char* x, int64_t count, char* sum) {
    T* const to = reinterpret_cast<T*>(sum);
    *to = row_to_one<Of>(reinterpret_cast<const T*>(x), count, *to);
  }
  static void columns(const char* x, int64_t count, char* sums) {
    const T* const numbers = reinterpret_cast<const T*>(x);
    T* const to = reinterpret_cast<T*>(sums);
    for (int64_t i = 0; i < count; ++i) to[i] = Of::of(to[i], numbers[i]);
  }

  static constexpr Kernels kKernels = {sizeof(T), start, row, columns};
};

/* Sums in the shape of the result; `sums` has room for them. */
void reduce_to(const Array& x, const Axes& axes, int64_t results, const Kernels& kernels,
               char* sums) {
  kernels.start(sums, results);
  if (results == 0 || x.count == 0) return;
  const int last = axes.rank - 1;
  if (last < 0) return kernels.row(x.data, 1, sums);
  const int64_t length = axes.lengths[last];
  const auto reduce = axes.reduced[last] ? kernels.row : kernels.columns;
  axes.rows([&](int64_t place, int64_t to) {
    reduce(x.data + place * kernels.item_bytes, length, sums + to * kernels.item_bytes);
  });
}

Axes axes_to_reduce(const Node& node, const Array* in) {
  check_numbers(in[0]);
  return Axes(in[0].shape, axes_of(in[1], in[0].rank()), node[0].integer != 0);
}

/* To numbers of the type of those that there are. */
void reduce_with(Context& context, const Node& node, Array* in, Array* out, const Kernels& f32,
                 const Kernels& f64, const Kernels& i64, const Kernels& i32) {
  const Axes axes = axes_to_reduce(node, in);
  visit(NumbersAndInt32(), in[0].dtype, [](auto) {});
  context.charge(in[0].count);
  *out = context.make(in[0].dtype, axes.shape);
  const Kernels& kernels = in[0].dtype == BCQ_F32   ? f32
                           : in[0].dtype == BCQ_F64 ? f64
                           : in[0].dtype == BCQ_I64 ? i64
                                                    : i32;
  reduce_to(in[0], axes, out->count, kernels, out->data);
}

template <class Of>
void reduce(Context& context, const Node& node, Array* in, Array* out) {
  reduce_with(context, node, in, out, KernelsOf<Of, float>::kKernels,
              KernelsOf<Of, double>::kKernels, KernelsOf<Of, int64_t>::kKernels,
              KernelsOf<Of, int32_t>::kKernels);
}

/* The same where nothing is there to be reduced to no number. */
template <class Of>
void reduce_extreme(Context& context, const Node& node, Array* in, Array* out) {
  if (axes_to_reduce(node, in).together == 0) fail("nothing has a largest or smallest number");
  reduce<Of>(context, node, in, out);
}

/* Sums of integers are float64 here. */
void reduce_mean(Context& context, const Node& node, Array* in, Array* out) {
  const Axes axes = axes_to_reduce(node, in);
  const bool is_integer = in[0].dtype == BCQ_I64;
  if (is_integer && axes.together == 0) fail("nothing has a mean");
  if (is_integer) in[0] = as_dtype(context, in[0], BCQ_F64);
  reduce<Sum>(context, node, in, out);
  visit(Floats(), out->dtype, [&](auto zero) {
    using T = decltype(zero);
    const T count = static_cast<T>(axes.together);
    for (int64_t i = 0; i < out->count; ++i) out->numbers<T>()[i] /= count;
  });
  if (is_integer) *out = as_dtype(context, *out, BCQ_I64);
}

/* Of booleans, as integers of 0 and 1. */
template <class Of>
void reduce_bool(Context& context, const Node& node, Array* in, Array* out) {
  check_numbers(in[0]);
  if (in[0].dtype != BCQ_BOOL) fail_dtype(in[0].dtype);
  in[0] = widened(context, in[0]);
  reduce<Of>(context, node, in, out);
  *out = as_dtype(context, *out, BCQ_BOOL);
}

constexpr AttributeRule kKeep[] = {{"keep", AttributeType::kFlag}};

constexpr Operation kOperations[] = {
    {"reduce_sum", 2, 2, reduce<Sum>, kKeep, 1, Half::kWide, 1, Integers::kInt32},
    {"reduce_product", 2, 2, reduce<Product>, kKeep, 1, Half::kWide, 1, Integers::kInt32},
    {"reduce_max", 2, 2, reduce_extreme<Largest>, kKeep, 1, Half::kWide, 1, Integers::kInt32},
    {"reduce_min", 2, 2, reduce_extreme<Smallest>, kKeep, 1, Half::kWide, 1, Integers::kInt32},
    {"reduce_all", 2, 2, reduce_bool<Smallest>, kKeep},
    {"reduce_any", 2, 2, reduce_bool<Largest>, kKeep},
    {"reduce_mean", 2, 2, reduce_mean, kKeep, 1, Half::kWide, 1},
};

}  // namespace

Operations reduction_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
