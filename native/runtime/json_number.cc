#include "runtime/json_number.h"

#include <charconv>
#include <cstdint>
#include <system_error>

namespace bcq::runtime {

namespace {

constexpr int64_t kFarExponent = 1000000000;  // more than the digits of any text make up for

int64_t exponent_of(std::string_view number) {
  const size_t sign = number.find_first_of("eE");
  if (sign == number.npos) return 0;
  size_t at = sign + 1;
  const bool negative = number[at] == '-';
  if (negative || number[at] == '+') ++at;
  int64_t value = 0;
  for (; at < number.size() && value < kFarExponent; ++at) value = value * 10 + (number[at] - '0');
  return negative ? -value : value;
}

/* Of a number that no double is near: whether it is large, and not almost 0. The place before the
 * point of its first digit that is not 0 tells. */
bool is_large(std::string_view number) {
  const size_t first = number.find_first_of("123456789");
  size_t point = number.find_first_of(".eE");
  if (point == number.npos) point = number.size();
  return static_cast<int64_t>(point) - static_cast<int64_t>(first) + exponent_of(number) > 0;
}

}  // namespace

std::optional<double> nearest_double(std::string_view number) {
  double value = 0;
  const auto error = std::from_chars(number.data(), number.data() + number.size(), value).ec;
  if (error == std::errc()) return value;
  if (is_large(number)) return std::nullopt;
  return 0.0;
}

}  // namespace bcq::runtime
