#include "runtime/numbers.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/half.h"

namespace bcq::runtime {

namespace {

constexpr int kShortBits = 9, kShortCut = 6;  // of a float16's mantissa, which short ones lack

template <class T>
T number(const void* data, int64_t index) {
  return static_cast<const T*>(data)[index];
}

}  // namespace

uint32_t Fields::operator[](int64_t index) const {
  const int64_t begin = index * bits, last = begin + bits - 1;
  uint32_t value = 0;
  for (int64_t byte = last / 8; byte >= begin / 8; --byte) value = value << 8 | packed[byte];
  return value >> begin % 8 & ((1u << bits) - 1);
}

int64_t field_bytes(int64_t columns, int bits) {
  int64_t all;
  if (columns < 0 || __builtin_mul_overflow(columns, int64_t{bits}, &all)) return -1;
  return all / 8 + (all % 8 != 0);
}

bool padded_with_zeros(const uint8_t* packed, int64_t rows, int64_t columns, int bits) {
  const int64_t width = field_bytes(columns, bits), used = columns * bits % 8;
  if (used == 0) return true;
  uint32_t found = 0;
  for (int64_t row = 0; row < rows; ++row) found |= packed[(row + 1) * width - 1];
  return found >> used == 0;
}

Floats Floats::of_nine_bits(const Tensor& tensor) {
  Floats floats(tensor);
  floats.dtype_ = BCQ_F16;
  floats.short_ = true;
  return floats;
}

uint16_t Floats::half(int64_t index) const {
  if (!short_) return number<uint16_t>(data_, index);
  const Fields fields{static_cast<const uint8_t*>(data_), kShortBits};
  return static_cast<uint16_t>(fields[index] << kShortCut);
}

double Floats::operator[](int64_t index) const {
  if (dtype_ == BCQ_F64) return number<double>(data_, index);
  if (dtype_ == BCQ_F32) return number<float>(data_, index);
  return from_half(half(index));
}

void Floats::write(int64_t index, bcq_type type, void* array, int64_t place) const {
  if (type == BCQ_FLOAT16) {
    static_cast<uint16_t*>(array)[place] = half(index);
  } else {
    static_cast<float*>(array)[place] = static_cast<float>((*this)[index]);
  }
}

double Floats::largest(int64_t first, int64_t count) const {
  double result = 0;
  for (int64_t i = first; i < first + count; ++i) {
    const double magnitude = std::fabs((*this)[i]);
    if (!(magnitude <= result)) result = magnitude;
    if (std::isnan(magnitude)) return std::numeric_limits<double>::infinity();
  }
  return result;
}

int64_t integer_at(const Tensor& tensor, int64_t index) {
  const void* const data = tensor.data;
  switch (tensor.dtype) {
    case BCQ_I64:
      return number<int64_t>(data, index);
    case BCQ_I32:
      return number<int32_t>(data, index);
    case BCQ_I16:
      return number<int16_t>(data, index);
    case BCQ_I8:
      return number<int8_t>(data, index);
    case BCQ_U64:
      return std::max<int64_t>(-1, static_cast<int64_t>(number<uint64_t>(data, index)));
    case BCQ_U32:
      return number<uint32_t>(data, index);
    case BCQ_U16:
      return number<uint16_t>(data, index);
    default:
      return number<uint8_t>(data, index);
  }
}

}  // namespace bcq::runtime
