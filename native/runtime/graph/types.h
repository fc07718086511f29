/* Functions of a dtype made of templates of a C++ type. */
#ifndef BCQ_RUNTIME_GRAPH_TYPES_H_
#define BCQ_RUNTIME_GRAPH_TYPES_H_

#include <type_traits>

#include "runtime/graph/array.h"

namespace bcq::graph {

template <class... T>
struct Types {};

/* What is computed with: other integers are widened first, and half precision. */
using Floats = Types<float, double>;
using Numbers = Types<float, double, int64_t>;
using NumbersAndInt32 = Types<float, double, int64_t, int32_t>;
using NumbersAndBool = Types<float, double, int64_t, bool>;
using Bool = Types<bool>;

template <class T>
constexpr bcq_dtype dtype_of() {
  if constexpr (std::is_same_v<T, double>) return BCQ_F64;
  if constexpr (std::is_same_v<T, float>) return BCQ_F32;
  if constexpr (std::is_same_v<T, int64_t>) return BCQ_I64;
  if constexpr (std::is_same_v<T, int32_t>) return BCQ_I32;
  if constexpr (std::is_same_v<T, bool>) return BCQ_BOOL;
}

/* Throws Failure: an operation does not compute with such numbers. */
[[noreturn]] void fail_dtype(bcq_dtype dtype);

/* Calls visitor(T()) for the type of a dtype; throws Failure where it is none of them. */
template <class Visitor, class... T>
void visit(Types<T...>, bcq_dtype dtype, const Visitor& visitor) {
  const bool found = ((dtype == dtype_of<T>() && (visitor(T()), true)) || ...);
  if (!found) fail_dtype(dtype);
}

/* Throws Failure unless these are arrays, of one dtype. */
void check_numbers(const Array& x);
void check_same(const Array& a, const Array& b);

}  // namespace bcq::graph

#endif
