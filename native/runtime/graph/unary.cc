/* Operations on each number of an array. */
#include "runtime/graph/operations.h"
#include "runtime/graph/numbers_of.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

namespace {

template <class T, class Result = T>
using Kernel = void (*)(const T* x, Result* y, int64_t count);

template <class Of, class T, class Result>
void kernel(const T* x, Result* y, int64_t count) {
  BCQ_SAME_PLACES
  for (int64_t i = 0; i < count; ++i) y[i] = Of::of(x[i]);
}

/* Each number to one of the same type. */
void run_floats(Context& context, Array* in, Array* out, Kernel<float> f32, Kernel<double> f64) {
  check_numbers(in[0]);
  visit(Floats(), in[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* const x = in[0].numbers<T>();
    *out = context.like(&in[0]);
    if constexpr (std::is_same_v<T, float>) {
      f32(x, out->numbers<T>(), out->count);
    } else {
      f64(x, out->numbers<T>(), out->count);
    }
  });
}

template <class Of>
void of_floats(Context& context, const Node&, Array* in, Array* out) {
  run_floats(context, in, out, kernel<Of, float>, kernel<Of, double>);
}

/* The same of one type, which has been checked. */
template <class Of, class T>
void of_type(Context& context, Array* in, Array* out) {
  check_numbers(in[0]);
  const T* const x = in[0].numbers<T>();
  *out = context.like(&in[0]);
  kernel<Of>(x, out->numbers<T>(), out->count);
}

template <class Of>
void of_numbers(Context& context, const Node& node, Array* in, Array* out) {
  if (in[0].dtype != BCQ_I64) return of_floats<Of>(context, node, in, out);
  of_type<Of, int64_t>(context, in, out);
}

/* Each to whether something holds. */
template <class Of>
void test(Context& context, const Node&, Array* in, Array* out) {
  check_numbers(in[0]);
  visit(Floats(), in[0].dtype, [&](auto zero) {
    *out = context.make(BCQ_BOOL, in[0].shape);
    kernel<Of>(in[0].numbers<decltype(zero)>(), out->numbers<bool>(), out->count);
  });
}

#define BCQ_OF(Name, expression) \
  struct Name { \
    template <class T> \
    static T of(T x) { \
      return expression; \
    } \
  };

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

struct Negative {
  template <class T>
  static T of(T x) {
    if constexpr (kIsFloat<T>) return -x;
    return subtracted(T(0), x);
  }
};

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

void logical_not(Context& context, const Node&, Array* in, Array* out) {
  check_numbers(in[0]);
  if (in[0].dtype != BCQ_BOOL) fail_dtype(in[0].dtype);
  of_type<Not, bool>(context, in, out);
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

constexpr AttributeRule kAlpha[] = {{"alpha", AttributeType::kNumber}};

constexpr Operation kOperations[] = {
    {"absolute", 1, 1, of_numbers<Absolute>, {}, 1, Half::kWide, 1},
    {"negative", 1, 1, of_numbers<Negative>, {}, 1, Half::kWide, 1},
    {"exp", 1, 1, of_floats<Exp>},
    {"expm1", 1, 1, of_floats<Expm1>},
    {"log", 1, 1, of_floats<Log>},
    {"log1p", 1, 1, of_floats<Log1p>},
    {"sqrt", 1, 1, of_floats<Sqrt>},
    {"rsqrt", 1, 1, of_floats<Rsqrt>},
    {"reciprocal", 1, 1, of_floats<Reciprocal>},
    {"square", 1, 1, of_numbers<Square>, {}, 1, Half::kWide, 1},
    {"sign", 1, 1, of_numbers<Sign>, {}, 1, Half::kWide, 1},
    {"sin", 1, 1, of_floats<Sin>},
    {"cos", 1, 1, of_floats<Cos>},
    {"tan", 1, 1, of_floats<Tan>},
    {"tanh", 1, 1, of_floats<Tanh>},
    {"sinh", 1, 1, of_floats<Sinh>},
    {"cosh", 1, 1, of_floats<Cosh>},
    {"erf", 1, 1, of_floats<Erf>},
    {"erfc", 1, 1, of_floats<Erfc>},
    {"floor", 1, 1, of_floats<Floor>},
    {"ceil", 1, 1, of_floats<Ceil>},
    {"round", 1, 1, of_floats<Round>},
    {"is_finite", 1, 1, test<IsFinite>},
    {"is_nan", 1, 1, test<IsNan>},
    {"logical_not", 1, 1, logical_not},
    {"relu", 1, 1, of_numbers<Relu>, {}, 1, Half::kWide, 1},
    {"relu6", 1, 1, of_numbers<Relu6>, {}, 1, Half::kWide, 1},
    {"leaky_relu", 1, 1, leaky_relu, kAlpha},
    {"elu", 1, 1, of_floats<Elu>},
    {"selu", 1, 1, of_floats<Selu>},
    {"sigmoid", 1, 1, of_floats<Sigmoid>},
    {"softplus", 1, 1, of_floats<Softplus>},
    {"softsign", 1, 1, of_floats<Softsign>},
};

}  // namespace

Operations unary_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
