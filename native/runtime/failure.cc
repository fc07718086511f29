#include "runtime/failure.h"

#include <cstdio>

namespace bcq::runtime {

namespace {

constexpr size_t kMostShown = 120;  // bytes

/* The length of the character that a text begins with, whether or not it is UTF-8. */
size_t character_length(std::string_view text) {
  size_t length = 1;
  while (length < text.size() && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) {
    ++length;
  }
  return length;
}

/* On one line. */
std::string escaped(std::string_view character) {
  const auto byte = static_cast<unsigned char>(character[0]);
  if (byte >= 0x20 && byte != 0x7f) return std::string(character);
  char text[8];
  std::snprintf(text, sizeof(text), "\\x%02x", byte);
  return text;
}

}  // namespace

void refuse(const std::string& text) { throw Failure{BCQ_BAD_FILE, text}; }

std::string shown(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::string_view character = text.substr(0, character_length(text));
    const std::string next = escaped(character);
    if (result.size() + next.size() > kMostShown) return result + "...";
    result += next;
    text.remove_prefix(character.size());
  }
  return result;
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
