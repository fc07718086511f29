#include "runtime/json_string.h"

#include <cstring>

namespace bcq::runtime {

namespace {

bool is_high(uint32_t unit) { return unit >= 0xd800 && unit < 0xdc00; }
bool is_low(int32_t unit) { return unit >= 0xdc00 && unit < 0xe000; }

/* Whether a character of so many bytes needs them, and is one. */
bool legal(uint32_t character, size_t length) {
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = character >= 0xd800 && character < 0xe000;
  return character >= kLeast[length] && character < 0x110000 && !surrogate;
}

}  // namespace

size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.empty() || byte(0) < 0x80) return text.empty() ? 0 : 1;
  const size_t length = byte(0) >> 5 == 6 ? 2 : byte(0) >> 4 == 14 ? 3 : byte(0) >> 3 == 30 ? 4 : 0;
  if (length == 0 || text.size() < length) return 0;
  uint32_t character = byte(0) & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if (byte(i) >> 6 != 2) return 0;
    character = character << 6 | (byte(i) & 0x3f);
  }
  return legal(character, length) ? length : 0;
}

int32_t hexadecimal(std::string_view digits) {
  int32_t value = 0;
  for (const char c : digits) {
    const int lower = c | 0x20;
    const int digit = c >= '0' && c <= '9'           ? c - '0'
                      : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                                     : -1;
    if (digit < 0) return -1;
    value = value << 4 | digit;
  }
  return value;
}

int StringBytes::next() {
  if (at_ < count_) return encoded_[at_++];
  if (raw_.empty()) return -1;
  const auto byte = static_cast<unsigned char>(raw_.front());
  raw_.remove_prefix(1);
  if (byte != '\\') return byte;
  take_escape();
  return encoded_[at_++];
}

void StringBytes::take_escape() {
  constexpr char kFrom[] = "bfnrt", kTo[] = "\b\f\n\r\t";
  const char letter = raw_.front();
  if (letter == 'u') return encode(take_unit());
  raw_.remove_prefix(1);
  const char* const found = std::strchr(kFrom, letter);
  encode(static_cast<unsigned char>(found ? kTo[found - kFrom] : letter));
}

uint32_t StringBytes::take_unit() {
  const auto unit = static_cast<uint32_t>(hexadecimal(raw_.substr(1, 4)));
  raw_.remove_prefix(5);
  if (!is_high(unit) || raw_.substr(0, 2) != "\\u") return unit;
  const int32_t low = hexadecimal(raw_.substr(2, 4));
  if (!is_low(low)) return unit;
  raw_.remove_prefix(6);
  return 0x10000 + ((unit - 0xd800) << 10) + static_cast<uint32_t>(low - 0xdc00);
}

void StringBytes::encode(uint32_t character) {
  at_ = 0;
  count_ = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
  for (int i = count_ - 1; i > 0; --i, character >>= 6) {
    encoded_[i] = static_cast<unsigned char>(0x80 | (character & 0x3f));
  }
  constexpr unsigned char kFirst[] = {0, 0, 0xc0, 0xe0, 0xf0};
  encoded_[0] = static_cast<unsigned char>(kFirst[count_] | character);
}

int compare_strings(std::string_view raw, std::string_view other) {
  constexpr char kEscape = '\\';
  if (raw.find(kEscape) == raw.npos && other.find(kEscape) == other.npos) return raw.compare(other);
  StringBytes a(raw), b(other);
  for (;;) {
    const int x = a.next(), y = b.next();
    if (x != y || x < 0) return x - y;
  }
}

}  // namespace bcq::runtime
