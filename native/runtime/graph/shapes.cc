/* Operations on the axes of arrays. */
#include <algorithm>

#include "runtime/graph/copy.h"
#include "runtime/graph/dtypes.h"
#include "runtime/graph/integers.h"
#include "runtime/graph/operations.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

namespace {

Array one_integer(Context& context, bcq_dtype dtype, int64_t value) {
  Array result = context.make(BCQ_I64, {});
  *result.numbers<int64_t>() = value;
  return as_dtype(context, result, dtype);
}

void shape(Context& context, const Node& node, Array* in, Array* out) {
  check_numbers(in[0]);
  Array lengths = context.make(BCQ_I64, {in[0].rank()});
  std::copy_n(in[0].shape.lengths, in[0].rank(), lengths.numbers<int64_t>());
  *out = as_dtype(context, lengths, node[0].dtype_or(BCQ_I32));
}

void size(Context& context, const Node& node, Array* in, Array* out) {
  check_numbers(in[0]);
  *out = one_integer(context, node[0].dtype_or(BCQ_I32), in[0].count);
}

void rank(Context& context, const Node&, Array* in, Array* out) {
  check_numbers(in[0]);
  *out = one_integer(context, BCQ_I32, in[0].rank());
}

void reshape(Context&, const Node&, Array* in, Array* out) {
  check_numbers(in[0]);
  const Few lengths(in[1]);
  Shape shape;
  int open = -1;
  for (int i = 0; i < lengths.count; ++i) {
    if (lengths[i] == -1 && open < 0) {
      open = i;
      shape.add(1);
    } else {
      shape.add(lengths[i]);
    }
  }
  const int64_t others = checked_count(shape);
  if (open >= 0) {
    if (others == 0 || in[0].count % others != 0) {
      fail("the numbers of ", in[0].shape, " cannot be shared out among ", shape);
    }
    shape[open] = in[0].count / others;
  }
  *out = std::move(in[0]).with_shape(shape);
}

void transpose(Context& context, const Node&, Array* in, Array* out) {
  const Few order(in[1]);
  const uint32_t all = axes_of(in[1], in[0].rank());
  if (order.count != in[0].rank() || all != (1u << in[0].rank()) - 1) {
    fail("the axes of ", in[0].shape, " are ordered by ", order.count);
  }
  int64_t own[kMostAxes], strides[kMostAxes];
  strides_of(in[0].shape, own);
  Shape shape;
  for (int i = 0; i < order.count; ++i) {
    const int axis = axis_of(order[i], in[0].rank());
    shape.add(in[0].shape[axis]);
    strides[i] = own[axis];
  }
  *out = context.make(in[0].dtype, shape);
  gather_strided(in[0].item_bytes(), shape, strides, in[0].data, out->data);
}

void expand_dims(Context&, const Node&, Array* in, Array* out) {
  check_numbers(in[0]);
  Shape shape = in[0].shape;
  shape.insert(axis_of(only_integer(in[1]), in[0].rank() + 1), 1);
  *out = std::move(in[0]).with_shape(shape);
}

void squeeze(Context&, const Node& node, Array* in, Array* out) {
  check_numbers(in[0]);
  const Shape& shape = in[0].shape;
  uint32_t gone = 0;
  for (const int64_t axis : node[0].list) {
    const uint32_t bit = 1u << axis_of(axis, shape.rank);
    if (gone & bit) fail("an axis is named twice");
    gone |= bit;
  }
  Shape left;
  for (int axis = 0; axis < shape.rank; ++axis) {
    const bool goes = node[0].list.empty() ? shape[axis] == 1 : (gone >> axis & 1) != 0;
    if (goes && shape[axis] != 1) fail("an axis of ", shape, " that goes is not 1 long");
    if (!goes) left.add(shape[axis]);
  }
  *out = std::move(in[0]).with_shape(left);
}

void reverse(Context& context, const Node&, Array* in, Array* out) {
  check_numbers(in[0]);
  const Array& x = in[0];
  const uint32_t turned = axes_of(in[1], x.rank());
  int64_t strides[kMostAxes], first = 0;
  strides_of(x.shape, strides);
  for (int axis = 0; axis < x.rank(); ++axis) {
    if ((turned >> axis & 1) == 0) continue;
    first += strides[axis] * (x.shape[axis] - 1);
    strides[axis] = -strides[axis];
  }
  *out = context.make(x.dtype, x.shape);
  if (x.count == 0) return;
  gather_strided(x.item_bytes(), x.shape, strides, x.data + first * x.item_bytes(), out->data);
}

constexpr AttributeRule kDtype[] = {{"dtype", AttributeType::kDtype, true}};
constexpr AttributeRule kAxes[] = {{"axes", AttributeType::kList}};

constexpr Operation kOperations[] = {
    {"shape", 1, 1, shape, kDtype, 1, Half::kItself},
    {"size", 1, 1, size, kDtype, 1, Half::kItself},
    {"rank", 1, 1, rank, {}, 1, Half::kItself},
    {"reshape", 2, 2, reshape, {}, 1, Half::kItself},
    {"transpose", 2, 2, transpose, {}, 1, Half::kItself},
    {"expand_dims", 2, 2, expand_dims, {}, 1, Half::kItself},
    {"squeeze", 1, 1, squeeze, kAxes, 1, Half::kItself},
    {"reverse", 2, 2, reverse, {}, 1, Half::kItself},
};

}  // namespace

Operations shape_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
