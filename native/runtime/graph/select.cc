/* Choices between the numbers of two arrays, and other dtypes. */
#include <cstring>

#include "runtime/graph/broadcast.h"
#include "runtime/graph/dtypes.h"
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
  if (in[0].dtype != BCQ_BOOL) fail("its condition is ", name_of(in[0].dtype));
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

constexpr AttributeRule kDtype[] = {{"dtype", AttributeType::kDtype}};

constexpr Operation kOperations[] = {
    {"where", 3, 3, where, {}, 1, Half::kItself},
    {"select_rows", 3, 3, select_rows, {}, 1, Half::kItself},
    {"bitcast", 1, 1, bitcast, kDtype, 1, Half::kItself},
    {"cast", 1, 1, cast, kDtype, 1, Half::kItself},
};

}  // namespace

Operations select_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
