#include <algorithm>
#include <vector>

#include "runtime/failure.h"
#include "runtime/json.h"
#include "runtime/json_number.h"
#include "runtime/json_string.h"

namespace bcq::runtime {

namespace {

constexpr size_t kMostDigits = 4300;  // of an integer, as Python reads them
constexpr size_t kTimes = 16, kFree = 4 << 20, kMost = 64 << 20;

/* What the values take in Python's memory, by the sign that begins or follows them. */
void check_cost(std::string_view text, size_t length) {
  size_t cost = 0;
  for (const char c : text) {
    if (c == '{') cost += 240;
    if (c == '[' || c == ',' || c == ':') cost += 64;
  }
  if (cost > std::min(kTimes * length + kFree, kMost)) {
    throw JsonError{joined({text.size(), " bytes of it hold too many values"})};
  }
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Checker {
 public:
  explicit Checker(std::string_view text) : text_(text) {}

  void check() {
    value(0);
    skip_space();
    if (at_ < text_.size()) fail("something stands after the value");
  }

 private:
  struct Key {
    uint32_t at, length; /* of what is between the quotes; texts have less than 4 GiB */
  };

  template <class... Pieces>
  [[noreturn, gnu::always_inline]] void fail(const Pieces&... pieces) const {
    fail_with({Piece(pieces)..., " (byte ", at_, ")"});
  }
  [[noreturn]] static void fail_with(std::initializer_list<Piece> pieces) {
    throw JsonError{joined(pieces)};
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }

  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\n\r").find(text_[at_]) < 4) ++at_;
  }

  void value(int depth) {
    skip_space();
    const char c = peek();
    if (c == '{' || c == '[') return nest(depth + 1, c == '{');
    if (c == '"') return string();
    if (c == '-' || is_digit(c)) return number();
    for (const std::string_view word : {"true", "false", "null"}) {
      if (text_.substr(at_, word.size()) != word) continue;
      at_ += word.size();
      return;
    }
    for (const std::string_view word : {"NaN", "Infinity"}) {
      if (text_.substr(at_, word.size()) == word) fail("the number ", word, kFinite);
    }
    fail("a value is missing");
  }

  void nest(int depth, bool is_object) {
    if (depth > kMostJsonDepth) fail("nested too deeply");
    const char end = is_object ? '}' : ']';
    const size_t outer_keys = keys_.size();
    ++at_;
    skip_space();
    if (take(end)) return;
    do {
      if (is_object) key();
      value(depth);
      skip_space();
    } while (take(','));
    if (!take(end)) fail("a ',' or '", std::string_view(&end, 1), "' is missing");
    check_keys(outer_keys);
  }

  void key() {
    skip_space();
    if (peek() != '"') fail("a key is missing");
    const size_t begin = at_ + 1;
    string();
    keys_.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(at_ - 1 - begin)});
    skip_space();
    if (!take(':')) fail("a ':' is missing");
  }

  /* Of the object whose keys begin there; forgets them. */
  void check_keys(size_t first) {
    const auto text = [this](const Key& key) { return text_.substr(key.at, key.length); };
    const auto begin = keys_.begin() + static_cast<ptrdiff_t>(first);
    std::sort(begin, keys_.end(),
              [&](const Key& a, const Key& b) { return compare_strings(text(a), text(b)) < 0; });
    const auto twice = std::adjacent_find(begin, keys_.end(), [&](const Key& a, const Key& b) {
      return compare_strings(text(a), text(b)) == 0;
    });
    if (twice != keys_.end()) {
      fail_with({"a key appears twice in one object: ", quoted(text(*twice))});
    }
    keys_.resize(first);
  }

  void string() {
    ++at_;
    while (!take('"')) {
      if (at_ == text_.size()) fail("a string has no end");
      const auto byte = static_cast<unsigned char>(text_[at_]);
      if (byte < 0x20) fail("a string has a control character");
      if (byte == '\\') {
        escape();
        continue;
      }
      const size_t length = utf8_length(text_.substr(at_, 4));
      if (length == 0) fail("it is not UTF-8");
      at_ += length;
    }
  }

  void escape() {
    ++at_;
    const char c = peek();
    if (c == 'u') {
      if (at_ + 5 > text_.size() || hexadecimal(text_.substr(at_ + 1, 4)) < 0) fail(kEscape);
      at_ += 5;
    } else if (c != '\0' && std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos) {
      ++at_;
    } else {
      fail(kEscape);
    }
  }

  size_t digits() {
    const size_t begin = at_;
    while (is_digit(peek())) ++at_;
    if (at_ == begin) fail("a digit is missing");
    return at_ - begin;
  }

  void number() {
    const size_t begin = at_;
    take('-');
    size_t whole = 1;
    if (!take('0')) whole = digits();
    bool is_whole = true;
    if (take('.')) {
      is_whole = false;
      digits();
    }
    if (take('e') || take('E')) {
      is_whole = false;
      if (!take('+')) take('-');
      digits();
    }
    if (is_whole && whole > kMostDigits) fail("an integer has too many digits");
    const std::string_view text = text_.substr(begin, at_ - begin);
    if (is_whole || nearest_double(text)) return;
    fail("the number ", shown(text), kFinite);
  }

  static constexpr const char* kFinite = " is not finite";
  static constexpr const char* kEscape = "a string has an escape that there is not";

  std::string_view text_;
  size_t at_ = 0;
  std::vector<Key> keys_; /* of all objects that are not at their end */
};

}  // namespace

void check_json(std::string_view text, size_t length) {
  check_cost(text, length);
  Checker(text).check();
}

}  // namespace bcq::runtime
