/* Operations along one axis. */
#include <algorithm>
#include <cmath>

#include "runtime/graph/dtypes.h"
#include "runtime/graph/integers.h"
#include "runtime/graph/lanes.h"
#include "runtime/graph/operations.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

namespace {

/* Rows of x along its last axis. */
void check_rows(const Array& x) {
  check_numbers(x);
  if (x.rank() == 0) fail("one number has no last axis");
}

int64_t rows_of(const Array& x) { return x.count == 0 ? 0 : x.count / x.shape.last(); }

template <class T>
T largest_of(const T* x, int64_t count) {
  return row_to_one<Larger>(x, count, x[0]);
}

/* y = exp(x - largest), and their sum. */
template <class T>
T powers_of(const T* x, int64_t count, T largest, T* y) {
  BCQ_SAME_PLACES
  for (int64_t i = 0; i < count; ++i) y[i] = exponential(x[i] - largest);
  return row_to_one<Plus>(y, count, T(0));
}

void softmax(Context& context, const Node&, Array* in, Array* out) {
  check_rows(in[0]);
  visit(Floats(), in[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* const x = in[0].numbers<T>();
    const int64_t rows = rows_of(in[0]), columns = in[0].shape.last();
    *out = context.like(&in[0]);
    for (int64_t i = 0; i < rows; ++i) {
      const T* const row = x + i * columns;
      T* const y = out->numbers<T>() + i * columns;
      const T sum = powers_of(row, columns, largest_of(row, columns), y);
      for (int64_t j = 0; j < columns; ++j) y[j] /= sum;
    }
  });
}

void log_softmax(Context& context, const Node&, Array* in, Array* out) {
  check_rows(in[0]);
  visit(Floats(), in[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    const int64_t rows = rows_of(in[0]), columns = in[0].shape.last();
    *out = context.make(in[0].dtype, in[0].shape);
    for (int64_t i = 0; i < rows; ++i) {
      const T* const row = in[0].numbers<T>() + i * columns;
      T* const y = out->numbers<T>() + i * columns;
      const T largest = largest_of(row, columns);
      const T logarithm = std::log(powers_of(row, columns, largest, y));
      for (int64_t j = 0; j < columns; ++j) y[j] = row[j] - largest - logarithm;
    }
  });
}

/* Whether a number comes before the best one so far; what is no number comes first. */
template <bool kLargest, class T>
bool is_better(T x, T best) {
  if (best != best) return false;
  return x != x || (kLargest ? x > best : x < best);
}

template <bool kLargest>
void arg(Context& context, const Node& node, Array* in, Array* out) {
  check_numbers(in[0]);
  const Array x = widened(context, in[0]);
  const int axis = axis_of(only_integer(in[1]), x.rank());
  const int64_t length = x.shape[axis], after = x.shape.count(axis + 1, x.rank());
  if (length == 0) fail("nothing has a largest or smallest number");
  Shape shape = x.shape;
  shape.remove(axis);
  context.charge(x.count);
  Array best = context.make(BCQ_I64, shape);
  visit(Numbers(), x.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < best.count; ++i) {
      const T* const row = x.numbers<T>() + i / after * length * after + i % after;
      int64_t place = 0;
      for (int64_t j = 1; j < length; ++j) {
        if (is_better<kLargest>(row[j * after], row[place * after])) place = j;
      }
      best.numbers<int64_t>()[i] = place;
    }
  });
  *out = as_dtype(context, best, static_cast<bcq_dtype>(node[0].integer));
}

void cumulative_sum(Context& context, const Node& node, Array* in, Array* out) {
  check_numbers(in[0]);
  const Array& x = in[0];
  const int axis = axis_of(only_integer(in[1]), x.rank());
  const int64_t length = x.shape[axis], after = x.shape.count(axis + 1, x.rank());
  const bool exclusive = node[0].integer != 0, reverse = node[1].integer != 0;
  *out = context.make(x.dtype, x.shape);
  if (x.count == 0) return;
  visit(Numbers(), x.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < x.count / length; ++i) {
      const int64_t first = i / after * length * after + i % after;
      T sum = 0;
      for (int64_t j = 0; j < length; ++j) {
        const int64_t place = first + (reverse ? length - 1 - j : j) * after;
        const T number = x.numbers<T>()[place];
        sum = j == 0 ? number : added(sum, number);
        out->numbers<T>()[place] = exclusive ? subtracted(sum, number) : sum;
      }
    }
  });
}

/* The order of a row's places: larger numbers first, of equals the first; no numbers last. */
template <class T>
struct Falling {
  const T* row;

  bool operator()(int32_t a, int32_t b) const {
    const T x = row[a], y = row[b];
    if (x != x || y != y) return x == x || (y != y && a < b);
    return x > y || (x == y && a < b);
  }
};

void top_k(Context& context, const Node&, Array* in, Array* out) {
  check_rows(in[0]);
  const Array& x = in[0];
  const int64_t wanted = only_integer(in[1]), length = x.shape.last();
  if (wanted < 0 || length > INT32_MAX) fail("it has no ", wanted, " largest");
  const int64_t k = std::min(wanted, length), rows = rows_of(x);
  Shape shape = x.shape;
  shape[shape.rank - 1] = k;
  context.charge(x.count);
  out[0] = context.make(x.dtype, shape);
  out[1] = context.make(BCQ_I32, shape);
  Scratch<int32_t> order(context, length);
  visit(Numbers(), x.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < rows && k > 0; ++i) {
      const T* const row = x.numbers<T>() + i * length;
      for (int32_t j = 0; j < length; ++j) order[j] = j;
      std::partial_sort(order.data(), order.data() + k, order.data() + length, Falling<T>{row});
      for (int64_t j = 0; j < k; ++j) {
        out[0].numbers<T>()[i * k + j] = row[order[j]];
        out[1].numbers<int32_t>()[i * k + j] = order[j];
      }
    }
  });
}

constexpr AttributeRule kDtype[] = {{"dtype", AttributeType::kDtype}};
constexpr AttributeRule kOfSums[] = {{"exclusive", AttributeType::kFlag},
                                     {"reverse", AttributeType::kFlag}};

constexpr Operation kOperations[] = {
    {"softmax", 1, 1, softmax},
    {"log_softmax", 1, 1, log_softmax},
    {"argmax", 2, 2, arg<true>, kDtype},
    {"argmin", 2, 2, arg<false>, kDtype},
    {"cumulative_sum", 2, 2, cumulative_sum, kOfSums, 1, Half::kWide, 1},
    {"top_k", 2, 2, top_k, {}, 2, Half::kWide, 1},
};

}  // namespace

Operations axis_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
