#include "runtime/tensor_entry.h"

#include <algorithm>

#include "runtime/crc32.h"
#include "runtime/failure.h"

namespace bcq::runtime {

namespace {

constexpr size_t kMostRank = 32;

bcq_dtype dtype_of(const Tensor& tensor, const JsonValue& code) {
  bcq_dtype dtype;
  if (code.is_string() && find_dtype(code.string(), &dtype)) return dtype;
  refuse("tensor ", quoted(tensor.name), " has the unknown dtype ", shown(code.text()));
}

/* Non-negative whole numbers; false: they are not. */
bool read_counts(const JsonValue& list, size_t most, std::vector<int64_t>* counts) {
  if (!list.is_array() || list.size() > most) return false;
  bool legal = true;
  counts->reserve(list.size());
  list.items([&](const JsonValue& item) {
    counts->push_back(item.integer().value_or(-1));
    legal = legal && counts->back() >= 0;
  });
  return legal;
}

/* The bytes that the tensor takes; -1: more than an array has, where an axis of 0 counts as 1, as
 * NumPy has it. */
int64_t size_of(const Tensor& tensor) {
  int64_t bytes = item_bytes(tensor.dtype);
  bool is_empty = false;
  for (const int64_t n : tensor.shape) {
    is_empty = is_empty || n == 0;
    if (n > 0 && __builtin_mul_overflow(bytes, n, &bytes)) return -1;
  }
  return is_empty ? 0 : bytes;
}

bool is_at(const JsonValue& offsets, int64_t begin, int64_t end) {
  std::vector<int64_t> numbers;
  return read_counts(offsets, 2, &numbers) && numbers == std::vector<int64_t>{begin, end};
}

}  // namespace

Tensor read_entry(std::string name, const JsonValue& entry, const uint8_t* data, int64_t begin,
                  int64_t bytes) {
  Tensor tensor{std::move(name), BCQ_U8, {}, data + begin, 0};
  const bool is_object = entry.is_object() && entry.size() == 3;
  const auto field = [&](const char* key) {
    return is_object ? entry.member(key) : std::optional<JsonValue>();
  };
  const auto code = field("dtype"), shape = field("shape"), offsets = field("data_offsets");
  if (!code || !shape || !offsets) {
    refuse("tensor ", quoted(tensor.name), " needs dtype, shape and data_offsets");
  }
  tensor.dtype = dtype_of(tensor, *code);
  if (!read_counts(*shape, kMostRank, &tensor.shape) || (tensor.bytes = size_of(tensor)) < 0) {
    refuse("tensor ", quoted(tensor.name), " has the impossible shape ", shown(shape->text()));
  }
  const bool fits = begin % item_bytes(tensor.dtype) == 0 && tensor.bytes <= bytes - begin;
  if (!fits || !is_at(*offsets, begin, begin + tensor.bytes)) {
    refuse("tensor ", quoted(tensor.name), " of ", tensor.bytes, " bytes cannot be at offsets ",
           shown(offsets->text()));
  }
  return tensor;
}

void check_data(const Tensor& tensor, int64_t checksum, int64_t begin) {
  const auto* const bytes = static_cast<const uint8_t*>(tensor.data);
  const auto count = static_cast<size_t>(tensor.bytes);
  if (crc32(0, bytes, count) != checksum) {
    refuse("tensor ", quoted(tensor.name), " fails its checksum (bytes ", begin, " to ",
           begin + tensor.bytes, " of the data)");
  }
  const bool is_boolean = tensor.dtype == BCQ_BOOL;
  if (is_boolean && std::any_of(bytes, bytes + count, [](uint8_t byte) { return byte > 1; })) {
    refuse("tensor ", quoted(tensor.name), " has booleans other than 0 and 1");
  }
}

}  // namespace bcq::runtime
