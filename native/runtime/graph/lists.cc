/* Lists of arrays, as loops over the steps of a sequence fill them. */
#include <algorithm>
#include <cstring>

#include "runtime/graph/integers.h"
#include "runtime/graph/operations.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

namespace {

void check_list(const Array& x) {
  if (x.kind != Kind::kList) fail("it is given an array where a list must be");
}

int64_t place_of(const Array& index, int64_t places) {
  const int64_t place = only_integer(index);
  if (place < 0 || place >= places) fail_id(place, places);
  return place;
}

void list_of(Context& context, const Node&, Array* in, Array* out) {
  check_numbers(in[0]);
  if (in[0].rank() == 0) fail("one number has no parts");
  const Shape shape = in[0].shape.part(1, in[0].rank());
  *out = context.make_list(in[0].shape[0]);
  for (int64_t i = 0; i < out->count; ++i) out->items()[i] = in[0].part(i * shape.count(), shape);
}

void list_empty(Context& context, const Node&, Array* in, Array* out) {
  *out = context.make_list(only_integer(in[0]));
}

void list_set(Context& context, const Node&, Array* in, Array* out) {
  check_list(in[0]);
  check_numbers(in[2]); /* no lists of lists, which could be of any depth */
  const int64_t count = in[0].count, place = place_of(in[1], count + 1);
  if (place < count && in[0].is_alone()) {
    *out = std::move(in[0]);
  } else {
    *out = context.make_list(std::max(count, place + 1));
    for (int64_t i = 0; i < count; ++i) out->items()[i] = in[0].items()[i];
  }
  out->items()[place] = std::move(in[2]);
}

void list_get(Context&, const Node&, Array* in, Array* out) {
  check_list(in[0]);
  *out = in[0].items()[place_of(in[1], in[0].count)];
  check_numbers(*out);
}

void list_stack(Context& context, const Node&, Array* in, Array* out) {
  check_list(in[0]);
  const Array* const items = in[0].items();
  if (in[0].count == 0) fail("an empty list is stacked");
  for (int64_t i = 0; i < in[0].count; ++i) {
    check_numbers(items[i]);
    check_same(items[0], items[i]);
    if (items[i].shape == items[0].shape) continue;
    fail(items[0].shape, " and ", items[i].shape, " do not match");
  }
  Shape shape = items[0].shape;
  shape.insert(0, in[0].count);
  *out = context.make(items[0].dtype, shape);
  const int64_t bytes = items[0].bytes();
  for (int64_t i = 0; i < in[0].count && bytes > 0; ++i) {
    std::memcpy(out->data + i * bytes, items[i].data, static_cast<size_t>(bytes));
  }
}

void list_length(Context& context, const Node&, Array* in, Array* out) {
  check_list(in[0]);
  *out = context.make(BCQ_I32, {});
  *out->numbers<int32_t>() = static_cast<int32_t>(in[0].count);
}

constexpr Operation kOperations[] = {
    {"list_of", 1, 1, list_of, {}, 1, Half::kItself},
    {"list_empty", 1, 1, list_empty, {}, 1, Half::kItself},
    {"list_set", 3, 3, list_set, {}, 1, Half::kItself},
    {"list_get", 2, 2, list_get, {}, 1, Half::kItself},
    {"list_stack", 1, 1, list_stack, {}, 1, Half::kItself},
    {"list_length", 1, 1, list_length, {}, 1, Half::kItself},
};

}  // namespace

Operations list_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
