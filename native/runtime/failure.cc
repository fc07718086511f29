#include "runtime/failure.h"

#include <cstdio>

namespace bcq::runtime {

namespace {

constexpr size_t kMostShown = 120;  // bytes

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

}  // namespace

void refuse(const std::string& text) { throw Failure{BCQ_BAD_FILE, text}; }

std::string shown(std::string_view text) {
  size_t length = text.size() < kMostShown ? text.size() : kMostShown;
  while (length < text.size() && length > 0 && continues(text[length])) --length;
  std::string result;
  for (const char c : text.substr(0, length)) {
    const auto byte = static_cast<unsigned char>(c);
    char escaped[8];
    std::snprintf(escaped, sizeof(escaped), "\\x%02x", byte);
    if (byte < 0x20 || byte == 0x7f) {
      result += escaped;
    } else {
      result += c;
    }
  }
  return length < text.size() ? result + "..." : result;
}

std::string quoted(std::string_view text) { return "'" + shown(text) + "'"; }

std::string shown(double number) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.6g", number);
  return text;
}

std::string shown(const int64_t* shape, int64_t rank) {
  std::string text;
  for (int64_t i = 0; i < rank; ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return "[" + text + "]";
}

}  // namespace bcq::runtime
