/* What stands around arrays, and blocks that become a batch. */
#include <algorithm>

#include "runtime/graph/copy.h"
#include "runtime/graph/integers.h"
#include "runtime/graph/operations.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

namespace {

/* Numbers before and after each axis. */
struct Widths {
  int64_t before[kMostAxes], after[kMostAxes];

  Widths(const Array& x, int axes) {
    const Few widths(x);
    if (widths.count != 2 * axes) fail("there are not two widths for each axis");
    for (int axis = 0; axis < axes; ++axis) {
      before[axis] = checked(widths[2 * axis]);
      after[axis] = checked(widths[2 * axis + 1]);
    }
  }

  static int64_t checked(int64_t width) {
    if (width < 0 || width > BCQ_MOST_ELEMENTS) fail("a width is ", width);
    return width;
  }
};

Array padded(Context& context, const Array& x, const Widths& widths, const Array* value) {
  Shape shape = x.shape;
  int64_t first = 0, from[kMostAxes], to[kMostAxes];
  for (int i = 0; i < shape.rank; ++i) shape[i] += widths.before[i] + widths.after[i];
  Array result = value == nullptr ? context.zeros(x.dtype, shape) : context.make(x.dtype, shape);
  strides_of(x.shape, from);
  strides_of(shape, to);
  if (value != nullptr) {
    const int64_t none[kMostAxes] = {};
    gather_strided(x.item_bytes(), shape, none, value->data, result.data);
  }
  if (x.count == 0) return result;
  for (int i = 0; i < shape.rank; ++i) first += to[i] * widths.before[i];
  CopyAxes axes;
  axes.add(x.shape, from, to);
  copy(x.item_bytes(), axes, x.data, result.data + first * x.item_bytes());
  return result;
}

void pad(Context& context, const Node& node, Array* in, Array* out) {
  check_numbers(in[0]);
  const bool has_value = node.count() > 2;
  if (has_value) {
    check_numbers(in[2]);
    check_same(in[0], in[2]);
    if (in[2].count != 1) fail("what it is filled with is not one number");
  }
  *out = padded(context, in[0], Widths(in[1], in[0].rank()), has_value ? &in[2] : nullptr);
}

/* Where the mirror shows place i of an axis; with the edge, or without. */
int64_t mirrored(int64_t i, int64_t length, bool edge) {
  if (length == 1) return 0;
  const int64_t period = edge ? 2 * length : 2 * length - 2;
  i = (i % period + period) % period;
  return i < length ? i : period - i - (edge ? 1 : 0);
}

/* x with one axis more of mirrors. */
Array mirrored_axis(Context& context, const Array& x, int axis, int64_t before, int64_t after,
                    bool edge) {
  Shape shape = x.shape;
  const int64_t length = shape[axis];
  if (length == 0 && before + after > 0) fail("an axis of 0 is mirrored");
  shape[axis] += before + after;
  Array result = context.make(x.dtype, shape);
  if (result.count == 0) return result;
  const int64_t bytes = shape.count(axis + 1, shape.rank) * x.item_bytes();
  char* to = result.data;
  for (int64_t row = 0; row < shape.count(0, axis); ++row) {
    const char* const from = x.data + row * length * bytes;
    for (int64_t i = 0; i < shape[axis]; ++i, to += bytes) {
      std::copy_n(from + mirrored(i - before, length, edge) * bytes, bytes, to);
    }
  }
  return result;
}

void mirror_pad(Context& context, const Node& node, Array* in, Array* out) {
  check_numbers(in[0]);
  const Widths widths(in[1], in[0].rank());
  *out = std::move(in[0]);
  for (int axis = 0; axis < out->rank(); ++axis) {
    if (widths.before[axis] + widths.after[axis] == 0) continue;
    *out = mirrored_axis(context, *out, axis, widths.before[axis], widths.after[axis],
                         node[0].integer == 1);
  }
}

/* Sizes of blocks along the axes after the first one. */
Few block_sizes(const Array& sizes, const Array& x) {
  check_numbers(x);
  const Few result(sizes);
  if (result.count >= x.rank() || x.rank() + result.count > kMostAxes) {
    fail("blocks of ", result.count, " axes are cut of ", x.shape);
  }
  for (int i = 0; i < result.count; ++i) {
    if (result[i] < 1 || result[i] > BCQ_MOST_ELEMENTS) fail("a block has no size");
  }
  return result;
}

void space_to_batch(Context& context, const Node&, Array* in, Array* out) {
  const Few sizes = block_sizes(in[1], in[0]);
  const Few pads(in[2]);
  const int axes = sizes.count, rank = in[0].rank();
  if (pads.count != 2 * axes) fail("there are not two widths for each axis");
  Array widths = context.zeros(BCQ_I64, {rank, 2});
  for (int i = 0; i < pads.count; ++i) widths.numbers<int64_t>()[2 + i] = pads[i];
  const Array x = padded(context, in[0], Widths(widths, rank), nullptr);
  int64_t own[kMostAxes], strides[kMostAxes];
  strides_of(x.shape, own);
  Shape cut, result = x.shape; /* cut: [sizes, batch, places, others] */
  const auto add = [&](int64_t length, int64_t stride) {
    strides[cut.rank] = stride;
    cut.add(length);
  };
  for (int i = 0; i < axes; ++i) {
    if (x.shape[1 + i] % sizes[i] != 0) fail(x.shape, " is not cut into whole blocks");
    add(sizes[i], own[1 + i]);
    result[1 + i] = x.shape[1 + i] / sizes[i];
    if (__builtin_mul_overflow(result[0], sizes[i], &result[0])) fail("blocks are too large");
  }
  add(x.shape[0], own[0]);
  for (int i = 0; i < axes; ++i) add(result[1 + i], own[1 + i] * sizes[i]);
  for (int i = 1 + axes; i < rank; ++i) add(x.shape[i], own[i]);
  *out = context.make(x.dtype, result);
  if (out->count > 0) gather_strided(x.item_bytes(), cut, strides, x.data, out->data);
}

void batch_to_space(Context& context, const Node&, Array* in, Array* out) {
  const Few sizes = block_sizes(in[1], in[0]);
  const Array& x = in[0];
  const int axes = sizes.count, rank = x.rank();
  const Few crops(in[2]);
  if (crops.count != 2 * axes) fail("there are not two widths for each axis");
  int64_t all = 1, own[kMostAxes], to[kMostAxes];
  for (int i = 0; i < axes; ++i) {
    if (__builtin_mul_overflow(all, sizes[i], &all)) fail("blocks are too large");
  }
  if (x.shape[0] % all != 0) fail("the batch of ", x.shape, " is not whole blocks");
  Shape whole = x.shape; /* before it is cropped */
  whole[0] = x.shape[0] / all;
  for (int i = 0; i < axes; ++i) {
    if (__builtin_mul_overflow(whole[1 + i], sizes[i], &whole[1 + i])) fail("it is too large");
  }
  Array result = context.make(x.dtype, whole);
  strides_of(x.shape, own);
  strides_of(whole, to);
  CopyAxes parts;
  int64_t stride = whole[0] * own[0];
  for (int i = axes - 1; i >= 0; --i) {
    parts.add(sizes[i], stride, to[1 + i]);
    stride *= sizes[i];
  }
  parts.add(whole[0], own[0], to[0]);
  for (int i = 0; i < axes; ++i) parts.add(x.shape[1 + i], own[1 + i], to[1 + i] * sizes[i]);
  for (int i = 1 + axes; i < rank; ++i) parts.add(x.shape[i], own[i], to[i]);
  if (result.count > 0) copy(x.item_bytes(), parts, x.data, result.data);
  int64_t first = 0;
  Shape cropped = whole;
  for (int i = 0; i < axes; ++i) {
    const int64_t before = Widths::checked(crops[2 * i]), after = Widths::checked(crops[2 * i + 1]);
    cropped[1 + i] -= before + after;
    if (cropped[1 + i] < 0) fail("more is cropped than there is");
    first += to[1 + i] * before;
  }
  *out = context.make(x.dtype, cropped);
  if (out->count == 0) return;
  gather_strided(x.item_bytes(), cropped, to, result.data + first * x.item_bytes(), out->data);
}

constexpr AttributeRule kMode[] = {{"mode", AttributeType::kMirror}};

constexpr Operation kOperations[] = {
    {"pad", 2, 3, pad, {}, 1, Half::kItself},
    {"mirror_pad", 2, 2, mirror_pad, kMode, 1, Half::kItself},
    {"space_to_batch", 3, 3, space_to_batch, {}, 1, Half::kItself},
    {"batch_to_space", 3, 3, batch_to_space, {}, 1, Half::kItself},
};

}  // namespace

Operations padding_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
