/* Arrays put together along an axis, and taken apart. */
#include <cstring>

#include "runtime/graph/copy.h"
#include "runtime/graph/integers.h"
#include "runtime/graph/operations.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

namespace {

/* Rows of `bytes` bytes, `count` of them, from one array to another with these steps. */
void copy_rows(int64_t count, int64_t bytes, const char* from, int64_t from_step, char* to,
               int64_t to_step) {
  if (bytes == 0) return;
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(to + i * to_step, from + i * from_step, static_cast<size_t>(bytes));
  }
}

void check_parts(const Node& node, const Array* in) {
  for (int64_t i = 0; i < node.count(); ++i) {
    check_numbers(in[i]);
    check_same(in[0], in[i]);
  }
}

void concatenate(Context& context, const Node& node, Array* in, Array* out) {
  check_parts(node, in);
  const int axis = axis_of(node[0].integer, in[0].rank());
  Shape shape = in[0].shape;
  shape[axis] = 0;
  for (int64_t i = 0; i < node.count(); ++i) {
    Shape other = in[i].shape;
    if (other.rank != shape.rank) fail("its parts have different numbers of axes");
    shape[axis] += other[axis];
    if (shape[axis] > BCQ_MOST_ELEMENTS) fail("it is too large");
    other[axis] = shape[axis];
    if (other != shape) fail(in[0].shape, " and ", in[i].shape, " do not match");
  }
  *out = context.make(in[0].dtype, shape);
  if (out->count == 0) return;
  const int64_t rows = shape.count(0, axis), row = out->bytes() / rows;
  for (int64_t i = 0, begin = 0; i < node.count(); ++i) {
    const int64_t bytes = in[i].bytes() / rows;
    copy_rows(rows, bytes, in[i].data, bytes, out->data + begin, row);
    begin += bytes;
  }
}

void stack(Context& context, const Node& node, Array* in, Array* out) {
  check_parts(node, in);
  for (int64_t i = 1; i < node.count(); ++i) {
    if (in[i].shape == in[0].shape) continue;
    fail(in[0].shape, " and ", in[i].shape, " do not match");
  }
  Shape shape = in[0].shape;
  const int axis = axis_of(node[0].integer, shape.rank + 1);
  shape.insert(axis, node.count());
  *out = context.make(in[0].dtype, shape);
  if (out->count == 0) return;
  const int64_t rows = shape.count(0, axis), bytes = in[0].bytes() / rows;
  for (int64_t i = 0; i < node.count(); ++i) {
    copy_rows(rows, bytes, in[i].data, bytes, out->data + i * bytes, bytes * node.count());
  }
}

/* The part of x from `begin` on along an axis. */
Array part_of(Context& context, const Array& x, int axis, int64_t begin, int64_t length) {
  Shape shape = x.shape;
  shape[axis] = length;
  const int64_t rows = shape.count(0, axis), inner = shape.count(axis + 1, shape.rank);
  if (rows == 1) return x.part(begin * inner, shape);
  Array part = context.make(x.dtype, shape);
  if (part.count == 0) return part;
  const int64_t bytes = inner * x.item_bytes();
  copy_rows(rows, bytes * length, x.data + begin * bytes, bytes * x.shape[axis], part.data,
            bytes * length);
  return part;
}

void unstack(Context& context, const Node& node, Array* in, Array* out) {
  check_numbers(in[0]);
  const int axis = axis_of(node[0].integer, in[0].rank());
  if (in[0].shape[axis] != node.outputs) {
    fail(node.outputs, " parts are wanted of ", in[0].shape);
  }
  Shape shape = in[0].shape;
  shape.remove(axis);
  for (int64_t i = 0; i < node.outputs; ++i) {
    out[i] = part_of(context, in[0], axis, i, 1).with_shape(shape);
  }
}

void split_evenly(Context& context, const Node& node, Array* in, Array* out) {
  check_numbers(in[0]);
  const int axis = axis_of(node[1].integer, in[0].rank());
  const int64_t count = node[0].integer;
  if (count != node.outputs) fail("not as many parts are wanted as there are outputs");
  if (count == 0 || in[0].shape[axis] % count != 0) {
    fail(in[0].shape, " has no ", count, " equal parts");
  }
  const int64_t length = in[0].shape[axis] / count;
  for (int64_t i = 0; i < count; ++i) out[i] = part_of(context, in[0], axis, i * length, length);
}

void split(Context& context, const Node& node, Array* in, Array* out) {
  check_numbers(in[0]);
  check_integers(in[1]);
  const int axis = axis_of(only_integer(in[2]), in[0].rank());
  const int64_t length = in[0].shape[axis];
  if (in[1].count != node.outputs) fail("there are not as many sizes as outputs");
  int64_t known = 0, open = 0;
  for (int64_t i = 0; i < in[1].count; ++i) {
    const int64_t size = integer_at(in[1], i);
    if (size > length || (size < 0 && ++open > 1)) fail("its sizes are no parts");
    if (size > 0) known += size;
    if (known > length) fail("its sizes are more than ", length);
  }
  if (open == 0 && known != length) fail("its sizes are not all of ", length);
  for (int64_t i = 0, begin = 0; i < in[1].count; ++i) {
    const int64_t given = integer_at(in[1], i), size = given < 0 ? length - known : given;
    out[i] = part_of(context, in[0], axis, begin, size);
    begin += size;
  }
}

constexpr AttributeRule kAxis[] = {{"axis", AttributeType::kInteger}};
constexpr AttributeRule kCountAndAxis[] = {{"count", AttributeType::kInteger},
                                           {"axis", AttributeType::kInteger}};

constexpr Operation kOperations[] = {
    {"concatenate", 1, kAny, concatenate, kAxis, 1, Half::kItself},
    {"stack", 1, kAny, stack, kAxis, 1, Half::kItself},
    {"unstack", 1, 1, unstack, kAxis, kAny, Half::kItself},
    {"split", 3, 3, split, {}, kAny, Half::kItself},
    {"split_evenly", 1, 1, split_evenly, kCountAndAxis, kAny, Half::kItself},
};

}  // namespace

Operations join_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
