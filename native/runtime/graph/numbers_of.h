/* What is computed of single numbers, with NumPy's answers for all of them. */
#ifndef BCQ_RUNTIME_GRAPH_NUMBERS_OF_H_
#define BCQ_RUNTIME_GRAPH_NUMBERS_OF_H_

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

namespace bcq::graph {

/* Tells the compiler that a loop may write what it reads, at the same place only. */
#if defined(__clang__)
#define BCQ_SAME_PLACES _Pragma("clang loop vectorize(assume_safety)")
#else
#define BCQ_SAME_PLACES _Pragma("GCC ivdep")
#endif

template <class T>
constexpr bool kIsFloat = std::is_floating_point_v<T>;

/* Integers are added, subtracted and multiplied modulo 2^bits. */
template <class T>
using Wrapping = typename std::conditional_t<std::is_integral_v<T> && !std::is_same_v<T, bool>,
                                             std::make_unsigned<T>, std::enable_if<true, T>>::type;

template <class T>
T added(T a, T b) {
  return static_cast<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b));
}
template <class T>
T subtracted(T a, T b) {
  return static_cast<T>(static_cast<Wrapping<T>>(a) - static_cast<Wrapping<T>>(b));
}
template <class T>
T multiplied(T a, T b) {
  return static_cast<T>(static_cast<Wrapping<T>>(a) * static_cast<Wrapping<T>>(b));
}

/* The larger or smaller of two; no number where one is none. */
template <class T>
T larger(T a, T b) {
  return a >= b || a != a ? a : b;
}
template <class T>
T smaller_of(T a, T b) {
  return a <= b || a != a ? a : b;
}

/* exp(x) within 2 units of the last place, in steps that compilers make vectors of. */
inline float exponential(float x) {
  constexpr float kRound = 12582912.0f; /* 1.5 2^23: sums with it have whole numbers */
  const float bounded = x < -104.0f ? -104.0f : x > 89.0f ? 89.0f : x;
  const float shifted = bounded * 1.44269504f + kRound, n = shifted - kRound;
  const float r = bounded - n * 0.693359375f - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  uint32_t bits;
  std::memcpy(&bits, &shifted, 4);
  const auto power = static_cast<int32_t>(bits - 0x4b400000u); /* n */
  const uint32_t half = static_cast<uint32_t>(power >> 1),
                 rest = static_cast<uint32_t>(power) - half;
  const uint32_t first_bits = (half + 127u) << 23, second_bits = (rest + 127u) << 23;
  float first, second;
  std::memcpy(&first, &first_bits, 4);
  std::memcpy(&second, &second_bits, 4);
  return p * first * second;
}
inline double exponential(double x) { return std::exp(x); }

/* The same of tanh(x): by a polynomial near 0, where 1 - 2 / (exp(2x) + 1) loses digits. */
inline float hyperbolic_tangent(float x) {
  const float size = std::abs(x), z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  const float near = p * z * x + x;
  const float far = 1.0f - 2.0f / (exponential(2.0f * size) + 1.0f);
  return size < 0.625f ? near : std::copysign(far, x);
}
inline double hyperbolic_tangent(double x) { return std::tanh(x); }

/* Whole quotients downwards, 0 where b is 0, and what is left. */
template <class T>
T floor_quotient(T a, T b) {
  if constexpr (kIsFloat<T>) {
    if (b == 0) return a / b;
    T rest = std::fmod(a, b), quotient = (a - rest) / b;
    if (rest != 0 && (b < 0) != (rest < 0)) quotient -= 1;
    if (quotient == 0) return std::copysign(T(0), a / b);
    const T down = std::floor(quotient);
    return quotient - down > T(0.5) ? down + 1 : down;
  } else {
    if (b == 0) return 0;
    if (std::is_signed_v<T> && b == T(-1)) return subtracted(T(0), a);
    const T quotient = static_cast<T>(a / b);
    return a % b != 0 && (a < 0) != (b < 0) ? static_cast<T>(quotient - 1) : quotient;
  }
}

template <class T>
T floor_rest(T a, T b) {
  if constexpr (kIsFloat<T>) {
    const T rest = std::fmod(a, b);
    if (b == 0) return rest;
    if (rest == 0) return std::copysign(T(0), b);
    return (b < 0) != (rest < 0) ? rest + b : rest;
  } else {
    if (b == 0 || (std::is_signed_v<T> && b == T(-1))) return 0;
    const T rest = static_cast<T>(a % b);
    return rest != 0 && (rest < 0) != (b < 0) ? static_cast<T>(rest + b) : rest;
  }
}

/* Whole quotients towards 0; 0 where b is 0. */
template <class T>
T quotient_of(T a, T b) {
  if constexpr (kIsFloat<T>) {
    return a / b;
  } else {
    if (b == 0) return 0;
    if (std::is_signed_v<T> && b == T(-1)) return subtracted(T(0), a);
    return static_cast<T>(a / b);
  }
}

/* A number in another type: towards 0, and where it is too large what processors give. */
template <class To, class From>
To converted(From x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != From(0);
  } else if constexpr (kIsFloat<From> && !kIsFloat<To>) {
    using Wide =
        std::conditional_t<(sizeof(To) < 4) || std::is_same_v<To, int32_t>, int32_t, int64_t>;
    constexpr auto kBound = -static_cast<double>(std::numeric_limits<Wide>::min());
    const bool fits = x > -kBound && x < kBound;
    return static_cast<To>(fits ? static_cast<Wide>(x) : std::numeric_limits<Wide>::min());
  } else if constexpr (std::is_same_v<To, float> && std::is_same_v<From, double>) {
    return static_cast<float>(x); /* beyond its range: infinite */
  } else {
    return static_cast<To>(x);
  }
}

}  // namespace bcq::graph

#endif
