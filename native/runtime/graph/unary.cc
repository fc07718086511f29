/* Operations on each number of an array. */
#include "runtime/graph/operations.h"
#include "runtime/graph/numbers_of.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

namespace {

/* Applies Of::of to each number, to one of the same type. */
template <class Of, class Allowed>
void each(Context& context, const Node&, Array* in, Array* out) {
  check_numbers(in[0]);
  visit(Allowed(), in[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* const x = in[0].numbers<T>();
    *out = context.like(&in[0]);
    T* const y = out->numbers<T>();
    const int64_t count = out->count;
    BCQ_SAME_PLACES
    for (int64_t i = 0; i < count; ++i) y[i] = Of::of(x[i]);
  });
}

/* The same, to whether something holds. */
template <class Of>
void each_test(Context& context, const Node&, Array* in, Array* out) {
  check_numbers(in[0]);
  visit(Floats(), in[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    *out = context.make(BCQ_BOOL, in[0].shape);
    for (int64_t i = 0; i < out->count; ++i)
      out->numbers<bool>()[i] = Of::of(in[0].numbers<T>()[i]);
  });
}

#define BCQ_OF(Name, expression) \
  struct Name { \
    template <class T> \
    static T of(T x) { \
      return expression; \
    } \
  };

BCQ_OF(Negative, subtracted(T(0), x))
BCQ_OF(NegativeFloat, -x)
BCQ_OF(Square, multiplied(x, x))
BCQ_OF(Exp, exponential(x))
BCQ_OF(Expm1, std::expm1(x))
BCQ_OF(Log, std::log(x))
BCQ_OF(Log1p, std::log1p(x))
BCQ_OF(Sqrt, std::sqrt(x))
BCQ_OF(Rsqrt, 1 / std::sqrt(x))
BCQ_OF(Reciprocal, 1 / x)
BCQ_OF(Sin, std::sin(x))
BCQ_OF(Cos, std::cos(x))
BCQ_OF(Tan, std::tan(x))
BCQ_OF(Tanh, hyperbolic_tangent(x))
BCQ_OF(Sinh, std::sinh(x))
BCQ_OF(Cosh, std::cosh(x))
BCQ_OF(Erf, std::erf(x))
BCQ_OF(Erfc, 1 - std::erf(x))
BCQ_OF(Floor, std::floor(x))
BCQ_OF(Ceil, std::ceil(x))
BCQ_OF(Round, std::rint(x)) /* halves to even numbers */
BCQ_OF(Softsign, x / (1 + std::abs(x)))
BCQ_OF(Relu, x < T(0) ? T(0) : x)
BCQ_OF(Relu6, x<T(0) ? T(0) : x> T(6) ? T(6) : x)
BCQ_OF(Elu, x > 0 ? x : std::expm1(smaller_of(x, T(0))))
BCQ_OF(Not, !x)
#undef BCQ_OF

struct Absolute {
  template <class T>
  static T of(T x) {
    if constexpr (kIsFloat<T>) return std::abs(x);
    return x < T(0) ? subtracted(T(0), x) : x;
  }
};

struct Sign {
  template <class T>
  static T of(T x) {
    return x > T(0) ? T(1) : x < T(0) ? static_cast<T>(-1) : x;
  }
};

struct Selu {
  template <class T>
  static T of(T x) {
    constexpr T kScale = T(1.0507009873554804934), kAlpha = T(1.6732632423543772848);
    return kScale * (x > 0 ? x : kAlpha * Elu::of(x));
  }
};

struct Sigmoid {
  template <class T>
  static T of(T x) {
    const T small = exponential(-std::abs(x));
    return (x >= 0 ? T(1) : small) / (1 + small);
  }
};

struct Softplus {
  template <class T>
  static T of(T x) {
    return x != x ? x : larger(x, T(0)) + std::log1p(std::exp(-std::abs(x)));
  }
};

struct IsFinite {
  template <class T>
  static bool of(T x) {
    return std::isfinite(x);
  }
};

struct IsNan {
  template <class T>
  static bool of(T x) {
    return x != x;
  }
};

void negative(Context& context, const Node& node, Array* in, Array* out) {
  const bool is_float = in[0].dtype == BCQ_F32 || in[0].dtype == BCQ_F64;
  (is_float ? each<NegativeFloat, Floats> : each<Negative, Integers>)(context, node, in, out);
}

void leaky_relu(Context& context, const Node& node, Array* in, Array* out) {
  check_numbers(in[0]);
  visit(Floats(), in[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    const T alpha = static_cast<T>(node[0].number);
    const T* const x = in[0].numbers<T>();
    *out = context.like(&in[0]);
    T* const y = out->numbers<T>();
    BCQ_SAME_PLACES
    for (int64_t i = 0; i < out->count; ++i) y[i] = x[i] > 0 ? x[i] : x[i] * alpha;
  });
}

constexpr Operation kOperations[] = {
    {"absolute", each<Absolute, Numbers>, 1, 1},
    {"negative", negative, 1, 1},
    {"exp", each<Exp, Floats>, 1, 1},
    {"expm1", each<Expm1, Floats>, 1, 1},
    {"log", each<Log, Floats>, 1, 1},
    {"log1p", each<Log1p, Floats>, 1, 1},
    {"sqrt", each<Sqrt, Floats>, 1, 1},
    {"rsqrt", each<Rsqrt, Floats>, 1, 1},
    {"reciprocal", each<Reciprocal, Floats>, 1, 1},
    {"square", each<Square, Numbers>, 1, 1},
    {"sign", each<Sign, Numbers>, 1, 1},
    {"sin", each<Sin, Floats>, 1, 1},
    {"cos", each<Cos, Floats>, 1, 1},
    {"tan", each<Tan, Floats>, 1, 1},
    {"tanh", each<Tanh, Floats>, 1, 1},
    {"sinh", each<Sinh, Floats>, 1, 1},
    {"cosh", each<Cosh, Floats>, 1, 1},
    {"erf", each<Erf, Floats>, 1, 1},
    {"erfc", each<Erfc, Floats>, 1, 1},
    {"floor", each<Floor, Floats>, 1, 1},
    {"ceil", each<Ceil, Floats>, 1, 1},
    {"round", each<Round, Floats>, 1, 1},
    {"is_finite", each_test<IsFinite>, 1, 1},
    {"is_nan", each_test<IsNan>, 1, 1},
    {"logical_not", each<Not, Bool>, 1, 1},
    {"relu", each<Relu, Numbers>, 1, 1},
    {"relu6", each<Relu6, Numbers>, 1, 1},
    {"leaky_relu", leaky_relu, 1, 1, {{"alpha", AttributeType::kNumber}}},
    {"elu", each<Elu, Floats>, 1, 1},
    {"selu", each<Selu, Floats>, 1, 1},
    {"sigmoid", each<Sigmoid, Floats>, 1, 1},
    {"softplus", each<Softplus, Floats>, 1, 1},
    {"softsign", each<Softsign, Floats>, 1, 1},
};

}  // namespace

Operations unary_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
