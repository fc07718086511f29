/* Choices between the numbers of two arrays, and other dtypes. */
#include <cstring>

#include "runtime/graph/broadcast.h"
#include "runtime/graph/half.h"
#include "runtime/graph/numbers_of.h"
#include "runtime/graph/operations.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

namespace {

template <class T>
void choose(const Array& condition, const Array& a, const Array& b, Array* out) {
  const Shape* const shapes[3] = {&condition.shape, &a.shape, &b.shape};
  const Rows<3> rows(out->shape, shapes);
  const int64_t c_step = rows.step(0), a_step = rows.step(1), b_step = rows.step(2);
  rows.each([&](int64_t place, const int64_t(&places)[3], int64_t count) {
    const bool* const c = condition.numbers<bool>() + places[0];
    const T* const x = a.numbers<T>() + places[1];
    const T* const y = b.numbers<T>() + places[2];
    T* const result = out->numbers<T>() + place;
    for (int64_t i = 0; i < count; ++i) {
      result[i] = c[i * c_step] ? x[i * a_step] : y[i * b_step];
    }
  });
}

/* Numbers of any type by their bytes. */
typedef uint16_t __attribute__((may_alias)) Two;
typedef uint32_t __attribute__((may_alias)) Four;
typedef uint64_t __attribute__((may_alias)) Eight;

void where(Context& context, const Node&, Array* in, Array* out) {
  for (int i = 0; i < 3; ++i) check_numbers(in[i]);
  if (in[0].dtype != BCQ_BOOL) fail(std::string("its condition is ") + name_of(in[0].dtype));
  check_same(in[1], in[2]);
  const Shape shape = broadcast(broadcast(in[0].shape, in[1].shape), in[2].shape);
  *out = context.make(in[1].dtype, shape);
  const auto bytes = out->item_bytes();
  const auto run = bytes == 1   ? choose<uint8_t>
                   : bytes == 2 ? choose<Two>
                   : bytes == 4 ? choose<Four>
                                : choose<Eight>;
  run(in[0], in[1], in[2], out);
}

void select_rows(Context& context, const Node& node, Array* in, Array* out) {
  for (int i = 0; i < 3; ++i) check_numbers(in[i]);
  Shape shape = in[0].shape;
  while (shape.rank < in[1].rank()) shape.add(1);
  in[0] = std::move(in[0]).with_shape(shape);
  where(context, node, in, out);
}

using Castable = Types<float, double, int32_t, int64_t, uint8_t, bool, int8_t, int16_t, uint16_t,
                       uint32_t, uint64_t>;

void cast(Context& context, const Node& node, Array* in, Array* out) {
  check_numbers(in[0]);
  *out = as_dtype(context, in[0], static_cast<bcq_dtype>(node[0].integer));
}

/* The bits of numbers as those of another dtype of as many bytes. */
void bitcast(Context&, const Node& node, Array* in, Array* out) {
  check_numbers(in[0]);
  Array other = std::move(in[0]);
  const int64_t bytes = other.item_bytes();
  const bool was_bool = other.dtype == BCQ_BOOL;
  other.dtype = static_cast<bcq_dtype>(node[0].integer);
  if (other.item_bytes() != bytes) fail("the dtypes have different numbers of bytes");
  if (other.dtype == BCQ_BOOL && !was_bool) fail("bytes are not taken for booleans");
  *out = std::move(other);
}

constexpr Operation kOperations[] = {
    {"where", where, 3, 3, {}, 1, Half::kItself},
    {"select_rows", select_rows, 3, 3, {}, 1, Half::kItself},
    {"bitcast", bitcast, 1, 1, {{"dtype", AttributeType::kDtype}}, 1, Half::kItself},
    {"cast", cast, 1, 1, {{"dtype", AttributeType::kDtype}}, 1, Half::kItself},
};

}  // namespace

Array as_dtype(Context& context, const Array& x, bcq_dtype dtype) {
  if (x.dtype == dtype) return x;
  if (x.dtype == BCQ_F16) return as_dtype(context, widened(context, x), dtype);
  if (dtype == BCQ_F16) return narrowed(context, as_dtype(context, x, BCQ_F32));
  Array result = context.make(dtype, x.shape);
  visit(Castable(), x.dtype, [&](auto from) {
    visit(Castable(), dtype, [&](auto to) {
      const auto* const numbers = x.numbers<decltype(from)>();
      auto* const y = result.numbers<decltype(to)>();
      const int64_t count = x.count;
      for (int64_t i = 0; i < count; ++i) y[i] = converted<decltype(to)>(numbers[i]);
    });
  });
  return result;
}

Operations select_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
