#include "runtime/graph/integers.h"

#include "runtime/failure.h"
#include "runtime/graph/dtypes.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

void check_integers(const Array& x) {
  check_numbers(x);
  if (x.dtype != BCQ_I64 && !is_short_integer(x.dtype)) fail_dtype(x.dtype);
}

int64_t integer_at(const Array& x, int64_t index) {
  switch (x.dtype) {
    case BCQ_I32:
      return x.numbers<int32_t>()[index];
    case BCQ_I16:
      return x.numbers<int16_t>()[index];
    case BCQ_I8:
      return x.numbers<int8_t>()[index];
    case BCQ_U32:
      return x.numbers<uint32_t>()[index];
    case BCQ_U16:
      return x.numbers<uint16_t>()[index];
    case BCQ_U8:
      return x.numbers<uint8_t>()[index];
    default:
      return x.numbers<int64_t>()[index];
  }
}

int64_t only_integer(const Array& x) {
  check_integers(x);
  if (x.count != 1) fail("one integer is wanted, not ", x.shape);
  return integer_at(x, 0);
}

Few::Few(const Array& x) {
  check_integers(x);
  if (x.count > kMost) fail("there are more than 16 integers, ", x.shape);
  count = static_cast<int>(x.count);
  for (int i = 0; i < count; ++i) values[i] = integer_at(x, i);
}

Shape shape_of(const Array& x) {
  const Few lengths(x);
  Shape shape;
  for (int i = 0; i < lengths.count; ++i) shape.add(lengths[i]);
  checked_count(shape);
  return shape;
}

int axis_of(int64_t axis, int rank) {
  if (axis >= -rank && axis < rank) return static_cast<int>(axis < 0 ? axis + rank : axis);
  fail("the axis ", axis, " is none of ", rank);
}

uint32_t axes_of(const Array& x, int rank) {
  const Few axes(x);
  uint32_t bits = 0;
  for (int i = 0; i < axes.count; ++i) {
    const uint32_t bit = 1u << axis_of(axes[i], rank);
    if (bits & bit) fail("an axis is named twice");
    bits |= bit;
  }
  return bits;
}

void fail_id(int64_t id, int64_t length) {
  runtime::fail(BCQ_BAD_ID, {"ids must be from 0 to ", length - 1, ". Received: ", id});
}

void check_ids(const Array& ids, int64_t length) {
  check_integers(ids);
  for (int64_t i = 0; i < ids.count; ++i) {
    const int64_t id = integer_at(ids, i);
    if (id < 0 || id >= length) fail_id(id, length);
  }
}

Array wide_ids(Context& context, const Array& ids) {
  check_integers(ids);
  return widened(context, ids);
}

}  // namespace bcq::graph
