/* Numbers go through float64 or, integers and booleans, int64, which hold them all but uint64:
 * these are int64 by their bits. */
#include "runtime/graph/dtypes.h"

#include <algorithm>

#include "runtime/graph/numbers_of.h"
#include "runtime/graph/types.h"
#include "runtime/half.h"

namespace bcq::graph {

namespace {

constexpr int64_t kSome = 256; /* numbers that are on their way at once */

template <class From, class To>
void convert(const char* from, char* to, int64_t count) {
  const From* const x = reinterpret_cast<const From*>(from);
  To* const y = reinterpret_cast<To*>(to);
  for (int64_t i = 0; i < count; ++i) y[i] = converted<To>(x[i]);
}

void from_half(const char* from, char* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    reinterpret_cast<double*>(to)[i] =
        runtime::from_half(reinterpret_cast<const uint16_t*>(from)[i]);
  }
}

/* By way of float32, as two roundings. */
void to_half(const char* from, char* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const auto single = static_cast<float>(reinterpret_cast<const double*>(from)[i]);
    reinterpret_cast<uint16_t*>(to)[i] = runtime::to_half(single);
  }
}

using Convert = void (*)(const char* from, char* to, int64_t count);

bool is_float(bcq_dtype dtype) { return dtype == BCQ_F32 || dtype == BCQ_F64 || dtype == BCQ_F16; }

/* To float64 or int64. */
Convert reader(bcq_dtype dtype) {
  switch (dtype) {
    case BCQ_F16:
      return from_half;
    case BCQ_F32:
      return convert<float, double>;
    case BCQ_F64:
      return convert<double, double>;
    case BCQ_I64:
    case BCQ_U64:
      return convert<int64_t, int64_t>;
    case BCQ_I32:
      return convert<int32_t, int64_t>;
    case BCQ_I16:
      return convert<int16_t, int64_t>;
    case BCQ_I8:
      return convert<int8_t, int64_t>;
    case BCQ_U32:
      return convert<uint32_t, int64_t>;
    case BCQ_U16:
      return convert<uint16_t, int64_t>;
    case BCQ_U8:
    case BCQ_BOOL:
      return convert<uint8_t, int64_t>;
    default:
      fail_dtype(dtype);
  }
}

template <class Wide>
Convert writer(bcq_dtype dtype) {
  switch (dtype) {
    case BCQ_F32:
      return convert<Wide, float>;
    case BCQ_F64:
      return convert<Wide, double>;
    case BCQ_I64:
      return convert<Wide, int64_t>;
    case BCQ_U64:
      return convert<Wide, uint64_t>;
    case BCQ_I32:
      return convert<Wide, int32_t>;
    case BCQ_I16:
      return convert<Wide, int16_t>;
    case BCQ_I8:
      return convert<Wide, int8_t>;
    case BCQ_U32:
      return convert<Wide, uint32_t>;
    case BCQ_U16:
      return convert<Wide, uint16_t>;
    case BCQ_U8:
      return convert<Wide, uint8_t>;
    case BCQ_BOOL:
      return convert<Wide, bool>;
    default:
      fail_dtype(dtype);
  }
}

Convert writer_of(bcq_dtype from, bcq_dtype to) {
  if (from == BCQ_U64 && to == BCQ_F32) return convert<uint64_t, float>;
  if (from == BCQ_U64 && to == BCQ_F64) return convert<uint64_t, double>;
  if (!is_float(from)) return writer<int64_t>(to);
  return to == BCQ_F16 ? to_half : writer<double>(to);
}

}  // namespace

Array as_dtype(Context& context, const Array& x, bcq_dtype dtype) {
  if (x.dtype == dtype) return x;
  if (dtype == BCQ_F16 && !is_float(x.dtype)) {
    return as_dtype(context, as_dtype(context, x, BCQ_F32), dtype);
  }
  const Convert read = reader(x.dtype), write = writer_of(x.dtype, dtype);
  const bcq_dtype wide = is_float(x.dtype) ? BCQ_F64 : BCQ_I64;
  Array result = context.make(dtype, x.shape);
  if (x.dtype == wide || x.dtype == BCQ_U64) {
    write(x.data, result.data, x.count);
  } else if (dtype == wide) {
    read(x.data, result.data, x.count);
  } else {
    const int64_t from_bytes = x.item_bytes(), to_bytes = result.item_bytes();
    alignas(8) char some[kSome * 8];
    for (int64_t i = 0; i < x.count; i += kSome) {
      const int64_t count = std::min(kSome, x.count - i);
      read(x.data + i * from_bytes, some, count);
      write(some, result.data + i * to_bytes, count);
    }
  }
  return result;
}

bool is_short_integer(bcq_dtype dtype) {
  switch (dtype) {
    case BCQ_I32:
    case BCQ_I16:
    case BCQ_I8:
    case BCQ_U32:
    case BCQ_U16:
    case BCQ_U8:
      return true;
    default:
      return false;
  }
}

Array widened(Context& context, const Array& x) {
  const bool is_wide = x.dtype != BCQ_BOOL && !is_short_integer(x.dtype);
  return is_wide ? x : as_dtype(context, x, BCQ_I64);
}

}  // namespace bcq::graph
