/* Functions of a dtype made of templates of a C++ type. */
#ifndef BCQ_RUNTIME_GRAPH_TYPES_H_
#define BCQ_RUNTIME_GRAPH_TYPES_H_

#include <type_traits>

#include "runtime/graph/array.h"

namespace bcq::graph {

template <class... T>
struct Types {};

using Floats = Types<float, double>;
using Integers = Types<int32_t, int64_t, uint8_t, uint32_t>;
using Numbers = Types<float, double, int32_t, int64_t, uint8_t, uint32_t>;
using NumbersAndBool = Types<float, double, int32_t, int64_t, uint8_t, uint32_t, bool>;
using IntegersAndBool = Types<int32_t, int64_t, uint8_t, uint32_t, bool>;
using Bool = Types<bool>;

template <class T>
constexpr bcq_dtype dtype_of() {
  if constexpr (std::is_same_v<T, double>) return BCQ_F64;
  if constexpr (std::is_same_v<T, float>) return BCQ_F32;
  if constexpr (std::is_same_v<T, int64_t>) return BCQ_I64;
  if constexpr (std::is_same_v<T, int32_t>) return BCQ_I32;
  if constexpr (std::is_same_v<T, int16_t>) return BCQ_I16;
  if constexpr (std::is_same_v<T, int8_t>) return BCQ_I8;
  if constexpr (std::is_same_v<T, uint64_t>) return BCQ_U64;
  if constexpr (std::is_same_v<T, uint32_t>) return BCQ_U32;
  if constexpr (std::is_same_v<T, uint16_t>) return BCQ_U16;
  if constexpr (std::is_same_v<T, uint8_t>) return BCQ_U8;
  if constexpr (std::is_same_v<T, bool>) return BCQ_BOOL;
}

/* Calls visitor(T()) for the type of a dtype; throws Failure where it is none of them. */
template <class Visitor, class... T>
void visit(Types<T...>, bcq_dtype dtype, const Visitor& visitor) {
  const bool found = ((dtype == dtype_of<T>() && (visitor(T()), true)) || ...);
  if (!found) fail(std::string("it does not compute with ") + name_of(dtype));
}

/* Throws Failure unless these are arrays, of one dtype. */
inline void check_numbers(const Array& x) {
  if (x.kind != Kind::kNumbers) fail("it is given a list or nothing where an array must be");
}
inline void check_same(const Array& a, const Array& b) {
  if (a.dtype == b.dtype) return;
  fail(std::string("its inputs are of two dtypes, ") + name_of(a.dtype) + " and " +
       name_of(b.dtype));
}

}  // namespace bcq::graph

#endif
