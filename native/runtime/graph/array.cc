#include "runtime/graph/array.h"

#include <algorithm>
#include <cstring>

#include "runtime/failure.h"
#include "runtime/tensors.h"

namespace bcq::graph {

namespace {

constexpr const char* kNames[] = {  // in the order of bcq_dtype
    "float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "int64", "int32",
    "int16",   "int8",    "uint64",  "uint32",   "uint16",        "uint8",       "bool"};

}  // namespace

const char* name_of(bcq_dtype dtype) { return kNames[dtype]; }

bool find_dtype(const std::string& name, bcq_dtype* dtype) {
  const auto found = std::find(std::begin(kNames), std::end(kNames), name);
  if (found == std::end(kNames)) return false;
  *dtype = static_cast<bcq_dtype>(found - std::begin(kNames));
  return true;
}

Shape::Shape(std::initializer_list<int64_t> all) {
  for (const int64_t length : all) add(length);
}

void Shape::add(int64_t length) {
  if (rank == kMostAxes) fail("an array would have more than 8 axes");
  lengths[rank++] = length;
}

void Shape::add(const Shape& other, int begin, int end) {
  for (int axis = begin; axis < end; ++axis) add(other[axis]);
}

void Shape::insert(int axis, int64_t length) {
  add(0);
  for (int i = rank - 1; i > axis; --i) lengths[i] = lengths[i - 1];
  lengths[axis] = length;
}

void Shape::remove(int axis) {
  for (int i = axis; i + 1 < rank; ++i) lengths[i] = lengths[i + 1];
  --rank;
}

Shape Shape::part(int begin, int end) const {
  Shape result;
  result.add(*this, begin, end);
  return result;
}

int64_t Shape::count() const { return count(0, rank); }

int64_t Shape::count(int begin, int end) const {
  int64_t product = 1;
  for (int axis = begin; axis < end; ++axis) product *= lengths[axis];
  return product;
}

bool operator==(const Shape& a, const Shape& b) {
  return a.rank == b.rank && std::equal(a.lengths, a.lengths + a.rank, b.lengths);
}

int64_t checked_count(const Shape& shape) {
  int64_t product = 1;
  bool empty = false;
  for (int axis = 0; axis < shape.rank; ++axis) {
    const int64_t length = shape[axis];
    if (length < 0) fail("no array is ", shape);
    empty = empty || length == 0;
    if (length == 0) continue;
    if (__builtin_mul_overflow(product, length, &product) || product > BCQ_MOST_ELEMENTS) {
      runtime::fail(BCQ_OVER_LIMIT, {"no array can be as large as ", shape});
    }
  }
  return empty ? 0 : product;
}

void strides_of(const Shape& shape, int64_t* strides) {
  int64_t stride = 1;
  for (int axis = shape.rank - 1; axis >= 0; --axis) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
}

Array::Array(const Array& other)
    : kind(other.kind),
      dtype(other.dtype),
      shape(other.shape),
      count(other.count),
      block(other.block),
      data(other.data) {
  if (block != nullptr) ++block->users;
}

Array::Array(Array&& other) noexcept { take(&other); }

Array& Array::operator=(const Array& other) { return *this = Array(other); }

Array& Array::operator=(Array&& other) noexcept {
  if (this == &other) return *this;
  reset();
  take(&other);
  return *this;
}

void Array::take(Array* other) {
  kind = other->kind;
  dtype = other->dtype;
  shape = other->shape;
  count = other->count;
  block = std::exchange(other->block, nullptr);
  data = std::exchange(other->data, nullptr);
  other->kind = Kind::kNothing;
}

void Array::reset() {
  Block* const last = std::exchange(block, nullptr);
  kind = Kind::kNothing;
  data = nullptr;
  if (last == nullptr || --last->users > 0) return;
  Array* const owned = reinterpret_cast<Array*>(last->data());
  for (int64_t i = 0; i < last->items; ++i) owned[i].~Array();
  last->pool->give_back(last);
}

Array Array::outside(bcq_dtype dtype, const Shape& shape, const void* data) {
  Array array;
  array.kind = Kind::kNumbers;
  array.dtype = dtype;
  array.shape = shape;
  array.count = checked_count(shape);
  array.data = const_cast<char*>(static_cast<const char*>(data));
  return array;
}

int64_t Array::item_bytes() const { return runtime::item_bytes(dtype); }

Array Array::with_shape(const Shape& other) const& { return Array(*this).with_shape(other); }

Array Array::with_shape(const Shape& other) && {
  if (checked_count(other) != count) {
    fail("there are not as many numbers in ", shape, " as in ", other);
  }
  shape = other;
  return std::move(*this);
}

Array Array::part(int64_t offset, const Shape& part_shape) const {
  Array result = *this;
  result.shape = part_shape;
  result.count = part_shape.count();
  if (result.count > 0) result.data += offset * item_bytes();
  return result;
}

}  // namespace bcq::graph
