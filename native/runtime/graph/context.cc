#include "runtime/graph/context.h"

#include <cstring>
#include <new>

#include "runtime/failure.h"

namespace bcq::graph {

void Context::charge(int64_t operations) {
  if (operations <= operations_left) {
    operations_left -= operations;
    return;
  }
  runtime::fail(BCQ_OVER_LIMIT,
                {"it takes more than the ", operations_limit, " operations that it may"});
}

void Context::charge(int64_t a, int64_t b, int64_t c) {
  int64_t product;
  if (__builtin_mul_overflow(a, b, &product) || __builtin_mul_overflow(product, c, &product)) {
    product = INT64_MAX;
  }
  charge(product);
}

Array Context::make(bcq_dtype dtype, const Shape& shape) {
  Array array = Array::outside(dtype, shape, nullptr);
  charge(array.count);
  array.block = pool.take(array.bytes());
  array.data = array.block->data();
  return array;
}

Array Context::zeros(bcq_dtype dtype, const Shape& shape) {
  Array array = make(dtype, shape);
  std::memset(array.data, 0, static_cast<size_t>(array.bytes()));
  return array;
}

Array Context::make_list(int64_t places) {
  if (places < 0) fail("no list has ", places, " places");
  checked_count({places});
  charge(places);
  Array list;
  list.block = pool.take(places * static_cast<int64_t>(sizeof(Array)));
  list.kind = Kind::kList;
  list.data = list.block->data();
  list.count = places;
  for (int64_t i = 0; i < places; ++i) new (list.items() + i) Array();
  list.block->items = places;
  return list;
}

Array Context::like(Array* x) {
  if (!x->is_alone()) return make(x->dtype, x->shape);
  charge(x->count);
  return std::move(*x);
}

Array Context::own(Array* x) {
  if (x->is_alone()) return std::move(*x);
  Array copy = make(x->dtype, x->shape);
  if (copy.count > 0) std::memcpy(copy.data, x->data, static_cast<size_t>(copy.bytes()));
  return copy;
}

}  // namespace bcq::graph
