#include "runtime/message.h"

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

void add_shown(std::string_view text, std::string* to) {
  const size_t begin = to->size();
  while (!text.empty()) {
    const std::string_view character = text.substr(0, character_length(text));
    const std::string next = escaped(character);
    if (to->size() - begin + next.size() > kMostShown) {
      *to += "...";
      return;
    }
    *to += next;
    text.remove_prefix(character.size());
  }
}

void add_shape(const int64_t* shape, int64_t rank, std::string* to) {
  *to += '[';
  for (int64_t i = 0; i < rank; ++i) *to += (i ? ", " : "") + std::to_string(shape[i]);
  *to += ']';
}

}  // namespace

void Piece::add_to(std::string* text) const {
  const std::string_view view(static_cast<const char*>(data_), data_ == nullptr ? 0 : length_);
  switch (kind_) {
    case Kind::kText:
      *text += view;
      break;
    case Kind::kQuoted:
      *text += '\'';
      add_shown(view, text);
      *text += '\'';
      break;
    case Kind::kShown:
      add_shown(view, text);
      break;
    case Kind::kNumber:
      *text += std::to_string(length_);
      break;
    case Kind::kUnsigned:
      *text += std::to_string(static_cast<uint64_t>(length_));
      break;
    case Kind::kShape:
      add_shape(static_cast<const int64_t*>(data_), length_, text);
  }
}

std::string shown(double number) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.6g", number);
  return text;
}

std::string joined(std::initializer_list<Piece> pieces) {
  std::string text;
  for (const Piece& piece : pieces) piece.add_to(&text);
  return text;
}

}  // namespace bcq::runtime
