/* Operations on the axes of arrays. */
#include "runtime/graph/copy.h"
#include "runtime/graph/integers.h"
#include "runtime/graph/operations.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

namespace {

Array one_integer(Context& context, bcq_dtype dtype, int64_t value) {
  Array result = context.make(dtype, {});
  visit(Integers(), dtype,
        [&](auto zero) { *result.numbers<decltype(zero)>() = static_cast<decltype(zero)>(value); });
  return result;
}

void shape(Context& context, const Node& node, Array* in, Array* out) {
  check_numbers(in[0]);
  const bcq_dtype dtype = node[0].dtype_or(BCQ_I32);
  *out = context.make(dtype, {in[0].rank()});
  visit(Integers(), dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int i = 0; i < in[0].rank(); ++i) out->numbers<T>()[i] = static_cast<T>(in[0].shape[i]);
  });
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
      fail("the numbers of " + shown(in[0].shape) + " cannot be shared out among " + shown(shape));
    }
    shape[open] = in[0].count / others;
  }
  *out = std::move(in[0]).with_shape(shape);
}

void transpose(Context& context, const Node&, Array* in, Array* out) {
  const Few order(in[1]);
  const uint32_t all = axes_of(in[1], in[0].rank());
  if (order.count != in[0].rank() || all != (1u << in[0].rank()) - 1) {
    fail("the axes of " + shown(in[0].shape) + " are ordered by " + std::to_string(order.count));
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
    if (goes && shape[axis] != 1) fail("an axis of " + shown(shape) + " that goes is not 1 long");
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

constexpr AttributeRule kOptionalDtype = {"dtype", AttributeType::kDtype, true};

constexpr Operation kOperations[] = {
    {"shape", shape, 1, 1, {kOptionalDtype}, 1, Half::kItself},
    {"size", size, 1, 1, {kOptionalDtype}, 1, Half::kItself},
    {"rank", rank, 1, 1, {}, 1, Half::kItself},
    {"reshape", reshape, 2, 2, {}, 1, Half::kItself},
    {"transpose", transpose, 2, 2, {}, 1, Half::kItself},
    {"expand_dims", expand_dims, 2, 2, {}, 1, Half::kItself},
    {"squeeze", squeeze, 1, 1, {{"axes", AttributeType::kList}}, 1, Half::kItself},
    {"reverse", reverse, 2, 2, {}, 1, Half::kItself},
};

}  // namespace

Operations shape_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
