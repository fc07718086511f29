/* Operations on the numbers of two arrays that are repeated to one shape. */
#include "runtime/graph/broadcast.h"
#include "runtime/graph/numbers_of.h"
#include "runtime/graph/operations.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

namespace {

template <class Of, class T, class Result>
void row(const T* a, int64_t a_step, const T* b, int64_t b_step, Result* y, int64_t count) {
  if (a_step && b_step) {
    BCQ_SAME_PLACES
    for (int64_t i = 0; i < count; ++i) y[i] = Of::of(a[i], b[i]);
  } else if (a_step) {
    const T one = *b;
    BCQ_SAME_PLACES
    for (int64_t i = 0; i < count; ++i) y[i] = Of::of(a[i], one);
  } else if (b_step) {
    const T one = *a;
    BCQ_SAME_PLACES
    for (int64_t i = 0; i < count; ++i) y[i] = Of::of(one, b[i]);
  } else {
    const Result one = Of::of(*a, *b);
    for (int64_t i = 0; i < count; ++i) y[i] = one;
  }
}

template <class Of, class T, class Result>
void all_rows(const Array& a, const T* x, const Array& b, const T* y, Array* out) {
  const Shape* const shapes[2] = {&a.shape, &b.shape};
  const Rows<2> rows(out->shape, shapes);
  rows.each([&](int64_t place, const int64_t(&places)[2], int64_t count) {
    row<Of>(x + places[0], rows.step(0), y + places[1], rows.step(1),
            out->numbers<Result>() + place, count);
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

template <class Of, class Allowed>
void of_two(Context& context, const Node&, Array* in, Array* out) {
  check_two(in);
  visit(Allowed(), in[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    *out = room(context, in, broadcast(in[0].shape, in[1].shape));
    all_rows<Of, T, T>(in[0], in[0].numbers<T>(), in[1], in[1].numbers<T>(), out);
  });
}

template <class Of, class Allowed>
void comparison(Context& context, const Node&, Array* in, Array* out) {
  check_two(in);
  visit(Allowed(), in[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    *out = context.make(BCQ_BOOL, broadcast(in[0].shape, in[1].shape));
    all_rows<Of, T, bool>(in[0], in[0].numbers<T>(), in[1], in[1].numbers<T>(), out);
  });
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
  const bool is_float = in[1].dtype == BCQ_F32 || in[1].dtype == BCQ_F64;
  for (int64_t i = 0; !is_float && i < in[1].count; ++i) {
    visit(Integers(), in[1].dtype, [&](auto zero) {
      if (in[1].numbers<decltype(zero)>()[i] < zero) fail("an integer has a negative power");
    });
  }
  of_two<Power, Numbers>(context, node, in, out);
}

constexpr Operation kOperations[] = {
    {"add", of_two<Add, Numbers>, 2, 2},
    {"subtract", of_two<Subtract, Numbers>, 2, 2},
    {"multiply", of_two<Multiply, Numbers>, 2, 2},
    {"maximum", of_two<Maximum, Numbers>, 2, 2},
    {"minimum", of_two<Minimum, Numbers>, 2, 2},
    {"power", power, 2, 2},
    {"floor_mod", of_two<FloorMod, Numbers>, 2, 2},
    {"floor_divide", of_two<FloorDivide, Numbers>, 2, 2},
    {"divide", of_two<Divide, Numbers>, 2, 2},
    {"divide_no_nan", of_two<DivideNoNan, Floats>, 2, 2},
    {"squared_difference", of_two<SquaredDifference, Numbers>, 2, 2},
    {"atan2", of_two<Atan2, Floats>, 2, 2},
    {"equal", comparison<Equal, NumbersAndBool>, 2, 2},
    {"not_equal", comparison<NotEqual, NumbersAndBool>, 2, 2},
    {"less", comparison<Less, Numbers>, 2, 2},
    {"less_equal", comparison<LessEqual, Numbers>, 2, 2},
    {"greater", comparison<Greater, Numbers>, 2, 2},
    {"greater_equal", comparison<GreaterEqual, Numbers>, 2, 2},
    {"logical_and", of_two<And, Bool>, 2, 2},
    {"logical_or", of_two<Or, Bool>, 2, 2},
    {"bitwise_and", of_two<And, IntegersAndBool>, 2, 2},
    {"bitwise_or", of_two<Or, IntegersAndBool>, 2, 2},
};

}  // namespace

Operations binary_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
