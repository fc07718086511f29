#include <algorithm>
#include <limits>

#include "runtime/failure.h"
#include "runtime/half.h"
#include "runtime/graph/read_graph.h"

namespace bcq::graph {

using runtime::JsonValue;

namespace {

constexpr const char* kInline[] = {"float32", "float64", "float16", "int32", "int64",
                                   "bool",    "uint8",   "int8",    "uint32"};

/* Writes numbers one after the other; false: one is none of the dtype. */
class Writer {
 public:
  explicit Writer(Array* array) : array_(array) {}

  bool write(const JsonValue& value) {
    switch (array_->dtype) {
      case BCQ_BOOL: {
        const std::optional<bool> flag = value.boolean();
        return flag && put<bool>(*flag);
      }
      case BCQ_F64:
        return value.number() && put<double>(*value.number());
      case BCQ_F32:
        return value.number() && put<float>(single(*value.number()));
      case BCQ_F16:
        return value.number() && put<uint16_t>(runtime::to_half(single(*value.number())));
      case BCQ_I64:
        return put_integer<int64_t>(value);
      case BCQ_U32:
        return put_integer<uint32_t>(value);
      case BCQ_U8:
        return put_integer<uint8_t>(value);
      case BCQ_I8:
        return put_integer<int8_t>(value);
      default:
        return put_integer<int32_t>(value);
    }
  }

 private:
  static float single(double x) {
    constexpr double kMost = std::numeric_limits<float>::max();
    if (x > kMost * (1 + 0x1p-25)) return std::numeric_limits<float>::infinity();
    if (x < -kMost * (1 + 0x1p-25)) return -std::numeric_limits<float>::infinity();
    return static_cast<float>(x);
  }

  template <class T>
  bool put(T number) {
    array_->numbers<T>()[next_++] = number;
    return true;
  }

  template <class T>
  bool put_integer(const JsonValue& value) {
    const std::optional<int64_t> number = value.integer();
    using Limits = std::numeric_limits<T>;
    const bool fits = number && *number >= static_cast<int64_t>(Limits::min()) &&
                      *number <= static_cast<int64_t>(Limits::max());
    return fits && put<T>(static_cast<T>(*number));
  }

  Array* array_;
  int64_t next_ = 0;
};

/* The lengths of lists within one another, by the first of each. */
bool find_shape(JsonValue value, Shape* shape) {
  while (value.is_array()) {
    if (shape->rank == kMostAxes) return false;
    std::optional<JsonValue> first;
    value.items([&](const JsonValue& item) {
      if (!first) first = item;
    });
    shape->add(static_cast<int64_t>(value.size()));
    if (!first) return true;
    value = *first;
  }
  return true;
}

/* Whether all lists have the lengths of the shape. */
bool write_all(const JsonValue& value, const Shape& shape, int axis, Writer* writer) {
  if (axis == shape.rank) return writer->write(value);
  if (!value.is_array() || static_cast<int64_t>(value.size()) != shape[axis]) return false;
  bool fits = true;
  value.items(
      [&](const JsonValue& item) { fits = fits && write_all(item, shape, axis + 1, writer); });
  return fits;
}

}  // namespace

Array read_constant(Context* context, const std::string& function, const JsonValue& value) {
  const auto wrong = [&] { refuse(function, "has the constant ", runtime::shown(value.text())); };
  if (value.size() != 1) wrong();
  Array array;
  value.members([&](const JsonValue& key, const JsonValue& numbers) {
    const std::string name = key.string();
    bcq_dtype dtype;
    const bool is_inline =
        std::find(std::begin(kInline), std::end(kInline), name) != std::end(kInline);
    Shape shape;
    if (!is_inline || !find_dtype(name, &dtype) || !find_shape(numbers, &shape)) wrong();
    checked_count(shape);
    array = context->make(dtype, shape);
    Writer writer(&array);
    if (!write_all(numbers, shape, 0, &writer)) wrong();
  });
  return array;
}

}  // namespace bcq::graph
