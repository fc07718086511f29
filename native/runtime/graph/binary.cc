/* Operations on the numbers of two arrays that are repeated to one shape. */
#include <algorithm>

#include "runtime/graph/broadcast.h"
#include "runtime/graph/integers.h"
#include "runtime/graph/numbers_of.h"
#include "runtime/graph/operations.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

namespace {

constexpr int64_t kRepeated = 256; /* numbers that stand for one that is repeated */

template <class T, class Result>
using Kernel = void (*)(const T* a, const T* b, Result* y, int64_t count);

template <class Of, class T, class Result>
void kernel(const T* a, const T* b, Result* y, int64_t count) {
  BCQ_SAME_PLACES
  for (int64_t i = 0; i < count; ++i) y[i] = Of::of(a[i], b[i]);
}

/* The numbers of an input along a row. */
template <class T>
class Operand {
 public:
  Operand(const T* row, int64_t step, int64_t count) : row_(row), step_(step) {
    if (step == 0) std::fill_n(repeated_, std::min(count, kRepeated), *row);
  }

  /* From number i on: kRepeated of them at least, or to the end of the row. */
  const T* at(int64_t i) const { return step_ == 0 ? repeated_ : row_ + i; }

 private:
  const T* row_;
  int64_t step_;
  T repeated_[kRepeated];
};

template <class T, class Result>
void all_rows(const Array* in, Array* out, Kernel<T, Result> kernel) {
  const Shape* const shapes[2] = {&in[0].shape, &in[1].shape};
  const Rows<2> rows(out->shape, shapes);
  const int64_t step_a = rows.step(0), step_b = rows.step(1);
  rows.each([&](int64_t place, const int64_t(&places)[2], int64_t count) {
    const Operand<T> a(in[0].numbers<T>() + places[0], step_a, count);
    const Operand<T> b(in[1].numbers<T>() + places[1], step_b, count);
    Result* const y = out->numbers<Result>() + place;
    const int64_t most = step_a && step_b ? count : kRepeated;
    for (int64_t i = 0; i < count; i += most) {
      kernel(a.at(i), b.at(i), y + i, std::min(most, count - i));
    }
  });
}

/* Room for a result of this shape: an input of the same shape and type that nobody else uses. */
Array room(Context& context, Array* in, const Shape& shape) {
  for (int i = 0; i < 2; ++i) {
    if (!in[i].is_alone() || in[i].shape != shape) continue;
    context.charge(in[i].count);
    Array result = in[i]; /* both stay readable */
    return result;
  }
  return context.make(in[0].dtype, shape);
}

void check_two(const Array* in) {
  check_numbers(in[0]);
  check_numbers(in[1]);
  check_same(in[0], in[1]);
}

/* Kernels by the type that is computed with; NULL: with that the operation does not. */
template <template <class> class ResultOf>
struct Kernels {
  Kernel<float, typename ResultOf<float>::Type> f32;
  Kernel<double, typename ResultOf<double>::Type> f64;
  Kernel<int64_t, typename ResultOf<int64_t>::Type> i64;
  Kernel<int32_t, typename ResultOf<int32_t>::Type> i32;
  Kernel<bool, bool> boolean;
};
template <class T>
struct Same {
  using Type = T;
};
template <class T>
struct Truth {
  using Type = bool;
};

template <class T, class Result>
void run_kernel(const Array* in, Array* out, Kernel<T, Result> kernel) {
  if (kernel == nullptr) fail_dtype(in[0].dtype);
  all_rows(in, out, kernel);
}

template <template <class> class ResultOf>
void run_kernels(const Array* in, Array* out, const Kernels<ResultOf>& kernels) {
  switch (in[0].dtype) {
    case BCQ_F32:
      return run_kernel(in, out, kernels.f32);
    case BCQ_F64:
      return run_kernel(in, out, kernels.f64);
    case BCQ_I64:
      return run_kernel(in, out, kernels.i64);
    case BCQ_I32:
      return run_kernel(in, out, kernels.i32);
    case BCQ_BOOL:
      return run_kernel(in, out, kernels.boolean);
    default:
      fail_dtype(in[0].dtype);
  }
}

void run_same(Context& context, Array* in, Array* out, const Kernels<Same>& kernels) {
  check_two(in);
  *out = room(context, in, broadcast(in[0].shape, in[1].shape));
  run_kernels(in, out, kernels);
}

void run_truth(Context& context, Array* in, Array* out, const Kernels<Truth>& kernels) {
  check_two(in);
  *out = context.make(BCQ_BOOL, broadcast(in[0].shape, in[1].shape));
  run_kernels(in, out, kernels);
}

template <class Of>
void of_numbers(Context& context, const Node&, Array* in, Array* out) {
  run_same(
      context, in, out,
      {kernel<Of, float>, kernel<Of, double>, kernel<Of, int64_t>, kernel<Of, int32_t>, nullptr});
}

template <class Of>
void of_floats(Context& context, const Node&, Array* in, Array* out) {
  run_same(context, in, out, {kernel<Of, float>, kernel<Of, double>, nullptr, nullptr, nullptr});
}

template <class Of>
void of_bool(Context& context, const Node&, Array* in, Array* out) {
  run_same(context, in, out, {nullptr, nullptr, nullptr, nullptr, kernel<Of, bool>});
}

template <class Of>
void of_bits(Context& context, const Node&, Array* in, Array* out) {
  run_same(context, in, out,
           {nullptr, nullptr, kernel<Of, int64_t>, kernel<Of, int32_t>, kernel<Of, bool>});
}

template <class Of>
void comparison(Context& context, const Node&, Array* in, Array* out) {
  run_truth(
      context, in, out,
      {kernel<Of, float>, kernel<Of, double>, kernel<Of, int64_t>, kernel<Of, int32_t>, nullptr});
}

template <class Of>
void equality(Context& context, const Node&, Array* in, Array* out) {
  run_truth(context, in, out,
            {kernel<Of, float>, kernel<Of, double>, kernel<Of, int64_t>, kernel<Of, int32_t>,
             kernel<Of, bool>});
}

#define BCQ_OF_TWO(Name, Result, expression) \
  struct Name { \
    template <class T> \
    static Result of(T a, T b) { \
      return expression; \
    } \
  };

BCQ_OF_TWO(Add, T, added(a, b))
BCQ_OF_TWO(Subtract, T, subtracted(a, b))
BCQ_OF_TWO(Multiply, T, multiplied(a, b))
BCQ_OF_TWO(Maximum, T, larger(a, b))
BCQ_OF_TWO(Minimum, T, smaller_of(a, b))
BCQ_OF_TWO(FloorDivide, T, floor_quotient(a, b))
BCQ_OF_TWO(FloorMod, T, floor_rest(a, b))
BCQ_OF_TWO(Divide, T, quotient_of(a, b))
BCQ_OF_TWO(DivideNoNan, T, b == 0 ? T(0) : a / b)
BCQ_OF_TWO(SquaredDifference, T, multiplied(subtracted(a, b), subtracted(a, b)))
BCQ_OF_TWO(Atan2, T, std::atan2(a, b))
BCQ_OF_TWO(And, T, static_cast<T>(a& b))
BCQ_OF_TWO(Or, T, static_cast<T>(a | b))
BCQ_OF_TWO(Equal, bool, a == b)
BCQ_OF_TWO(NotEqual, bool, a != b)
BCQ_OF_TWO(Less, bool, a < b)
BCQ_OF_TWO(LessEqual, bool, a <= b)
BCQ_OF_TWO(Greater, bool, a > b)
BCQ_OF_TWO(GreaterEqual, bool, a >= b)
#undef BCQ_OF_TWO

struct Power {
  template <class T>
  static T of(T a, T b) {
    if constexpr (kIsFloat<T>) {
      return std::pow(a, b);
    } else {
      T result = 1;
      for (T left = b; left > 0; left = static_cast<T>(left / 2)) {
        if (left % 2 != 0) result = multiplied(result, a);
        a = multiplied(a, a);
      }
      return result;
    }
  }
};

void power(Context& context, const Node& node, Array* in, Array* out) {
  check_two(in);
  const bool is_integer = in[1].dtype == BCQ_I64 || in[1].dtype == BCQ_I32;
  for (int64_t i = 0; is_integer && i < in[1].count; ++i) {
    if (integer_at(in[1], i) < 0) fail("an integer has a negative power");
  }
  of_numbers<Power>(context, node, in, out);
}

constexpr Operation kOperations[] = {
    {"add", 2, 2, of_numbers<Add>, {}, 1, Half::kWide, 2, Integers::kInt32},
    {"subtract", 2, 2, of_numbers<Subtract>, {}, 1, Half::kWide, 2, Integers::kInt32},
    {"multiply", 2, 2, of_numbers<Multiply>, {}, 1, Half::kWide, 2, Integers::kInt32},
    {"maximum", 2, 2, of_numbers<Maximum>, {}, 1, Half::kWide, 2, Integers::kInt32},
    {"minimum", 2, 2, of_numbers<Minimum>, {}, 1, Half::kWide, 2, Integers::kInt32},
    {"power", 2, 2, power, {}, 1, Half::kWide, 2, Integers::kInt32},
    {"floor_mod", 2, 2, of_numbers<FloorMod>, {}, 1, Half::kWide, 2, Integers::kInt32},
    {"floor_divide", 2, 2, of_numbers<FloorDivide>, {}, 1, Half::kWide, 2, Integers::kInt32},
    {"divide", 2, 2, of_numbers<Divide>, {}, 1, Half::kWide, 2, Integers::kInt32},
    {"divide_no_nan", 2, 2, of_floats<DivideNoNan>},
    {"squared_difference",
     2,
     2,
     of_numbers<SquaredDifference>,
     {},
     1,
     Half::kWide,
     2,
     Integers::kInt32},
    {"atan2", 2, 2, of_floats<Atan2>},
    {"equal", 2, 2, equality<Equal>, {}, 1, Half::kWide, 2, Integers::kInt32},
    {"not_equal", 2, 2, equality<NotEqual>, {}, 1, Half::kWide, 2, Integers::kInt32},
    {"less", 2, 2, comparison<Less>, {}, 1, Half::kWide, 2, Integers::kInt32},
    {"less_equal", 2, 2, comparison<LessEqual>, {}, 1, Half::kWide, 2, Integers::kInt32},
    {"greater", 2, 2, comparison<Greater>, {}, 1, Half::kWide, 2, Integers::kInt32},
    {"greater_equal", 2, 2, comparison<GreaterEqual>, {}, 1, Half::kWide, 2, Integers::kInt32},
    {"logical_and", 2, 2, of_bool<And>},
    {"logical_or", 2, 2, of_bool<Or>},
    {"bitwise_and", 2, 2, of_bits<And>, {}, 1, Half::kWide, 2, Integers::kInt32},
    {"bitwise_or", 2, 2, of_bits<Or>, {}, 1, Half::kWide, 2, Integers::kInt32},
};

}  // namespace

Operations binary_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
