/* JSON that may be hostile: checked as a whole in one pass, then read where it stands, so that no
 * value takes memory of its own. The rules are those of bcq_tf/files/strict_json.py.
 */
#ifndef BCQ_RUNTIME_JSON_H_
#define BCQ_RUNTIME_JSON_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bcq::runtime {

struct JsonError {
  std::string text;
};

/* How deep arrays and objects may stand within one another: 200 levels of metadata and what
 * the writer puts around them. */
constexpr int kMostJsonDepth = 202;

/* Throws JsonError unless a text is one JSON value in UTF-8, with numbers that are finite, each key
 * once in an object, and no more values than a text of `length` should have. */
void check_json(std::string_view text, size_t length);

/* A value in a text that has been checked. */
class JsonValue {
 public:
  JsonValue() : text_("null") {}
  /* Whitespace around the value is left out. */
  explicit JsonValue(std::string_view checked);

  std::string_view text() const { return text_; }
  bool is_object() const { return text_[0] == '{'; }
  bool is_array() const { return text_[0] == '['; }
  bool is_string() const { return text_[0] == '"'; }
  bool is_null() const { return text_[0] == 'n'; }
  std::optional<bool> boolean() const;

  /* Nothing where it is no number, or no whole one that int64 holds. */
  std::optional<int64_t> integer() const;
  /* The nearest double of any number; nothing where it is none or too large. */
  std::optional<double> number() const;

  /* The characters of a string, without escapes. Lone halves of surrogates give what is not UTF-8.
   */
  std::string string() const;

  /* Calls visit(JsonValue) for each item of an array. */
  template <class Visit>
  void items(const Visit& visit) const;

  /* Calls visit(JsonValue key, JsonValue value) for each member of an object. */
  template <class Visit>
  void members(const Visit& visit) const;

  /* The member of this name, or nothing. */
  std::optional<JsonValue> member(std::string_view name) const;

  /* How many items or members there are. */
  size_t size() const;

 private:
  /* The value that begins at `at` or after whitespace and a comma or colon; moves behind it. */
  JsonValue next(size_t* at) const;
  bool ends(size_t* at) const; /* whether no further item begins there */

  std::string_view text_;
};

template <class Visit>
void JsonValue::items(const Visit& visit) const {
  for (size_t at = 1; !ends(&at);) visit(next(&at));
}

template <class Visit>
void JsonValue::members(const Visit& visit) const {
  for (size_t at = 1; !ends(&at);) {
    const JsonValue key = next(&at);
    visit(key, next(&at));
  }
}

}  // namespace bcq::runtime

#endif
