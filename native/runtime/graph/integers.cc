#include "runtime/graph/integers.h"

#include "runtime/failure.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

namespace {

using Any = Types<int32_t, int64_t, uint8_t, int8_t, uint32_t, int16_t, uint16_t>;

}  // namespace

void check_integers(const Array& x) {
  check_numbers(x);
  visit(Any(), x.dtype, [](auto) {});
}

int64_t integer_at(const Array& x, int64_t index) {
  switch (x.dtype) {
    case BCQ_I32:
      return x.numbers<int32_t>()[index];
    case BCQ_I64:
      return x.numbers<int64_t>()[index];
    default:
      int64_t value = 0;
      visit(Any(), x.dtype, [&](auto zero) { value = x.numbers<decltype(zero)>()[index]; });
      return value;
  }
}

int64_t only_integer(const Array& x) {
  check_integers(x);
  if (x.count != 1) fail("one integer is wanted, not " + shown(x.shape));
  return integer_at(x, 0);
}

Few::Few(const Array& x) {
  check_integers(x);
  if (x.count > kMost) fail("there are more than 16 integers, " + shown(x.shape));
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
  fail("the axis " + std::to_string(axis) + " is none of " + std::to_string(rank));
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
  throw runtime::Failure{BCQ_BAD_ID, "ids must be from 0 to " + std::to_string(length - 1) +
                                         ". Received: " + std::to_string(id)};
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
  if (ids.dtype == BCQ_I64) return ids;
  Array wide = context.make(BCQ_I64, ids.shape);
  for (int64_t i = 0; i < ids.count; ++i) wide.numbers<int64_t>()[i] = integer_at(ids, i);
  return wide;
}

}  // namespace bcq::graph
