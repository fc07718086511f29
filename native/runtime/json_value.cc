#include <charconv>
#include <system_error>

#include "runtime/json.h"
#include "runtime/json_number.h"
#include "runtime/json_string.h"

namespace bcq::runtime {

namespace {

constexpr std::string_view kSpace = " \t\n\r";
constexpr std::string_view kAfterScalar = ",:]} \t\n\r";

/* Where the string that begins at `at` ends. */
size_t end_of_string(std::string_view text, size_t at) {
  for (++at; text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return at + 1;
}

size_t end_of_nest(std::string_view text, size_t at) {
  int depth = 0;
  do {
    at = text.find_first_of("\"[]{}", at);
    if (text[at] == '"') {
      at = end_of_string(text, at);
      continue;
    }
    depth += text[at] == '[' || text[at] == '{' ? 1 : -1;
    ++at;
  } while (depth > 0);
  return at;
}

size_t end_of_value(std::string_view text, size_t at) {
  if (text[at] == '"') return end_of_string(text, at);
  if (text[at] == '[' || text[at] == '{') return end_of_nest(text, at);
  const size_t end = text.find_first_of(kAfterScalar, at);
  return end == text.npos ? text.size() : end;
}

}  // namespace

JsonValue::JsonValue(std::string_view checked) {
  const size_t begin = checked.find_first_not_of(kSpace);
  text_ = checked.substr(begin, end_of_value(checked, begin) - begin);
}

JsonValue JsonValue::next(size_t* at) const {
  const size_t begin = text_.find_first_not_of(" \t\n\r,:", *at);
  *at = end_of_value(text_, begin);
  JsonValue value;
  value.text_ = text_.substr(begin, *at - begin);
  return value;
}

bool JsonValue::ends(size_t* at) const {
  *at = text_.find_first_not_of(kSpace, *at);
  return text_[*at] == ']' || text_[*at] == '}';
}

std::optional<bool> JsonValue::boolean() const {
  if (text_ == "true") return true;
  if (text_ == "false") return false;
  return std::nullopt;
}

std::optional<int64_t> JsonValue::integer() const {
  int64_t value;
  const char* const end = text_.data() + text_.size();
  const auto [last, error] = std::from_chars(text_.data(), end, value);
  if (error != std::errc() || last != end) return std::nullopt;
  return value;
}

std::optional<double> JsonValue::number() const {
  const char first = text_[0];
  if (first != '-' && (first < '0' || first > '9')) return std::nullopt;
  return nearest_double(text_);
}

std::string JsonValue::string() const {
  std::string result;
  result.reserve(text_.size());
  StringBytes bytes(text_.substr(1, text_.size() - 2));
  for (int byte = bytes.next(); byte >= 0; byte = bytes.next()) {
    result.push_back(static_cast<char>(byte));
  }
  return result;
}

std::optional<JsonValue> JsonValue::member(std::string_view name) const {
  std::optional<JsonValue> found;
  members([&](const JsonValue& key, const JsonValue& value) {
    // The names that are looked for have nothing that is escaped as they stand.
    const std::string_view raw = key.text_.substr(1, key.text_.size() - 2);
    if (compare_strings(raw, name) == 0) found = value;
  });
  return found;
}

size_t JsonValue::size() const {
  size_t count = 0;
  if (is_array()) items([&](const JsonValue&) { ++count; });
  if (is_object()) members([&](const JsonValue&, const JsonValue&) { ++count; });
  return count;
}

}  // namespace bcq::runtime
