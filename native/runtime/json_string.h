/* What stands between the quotes of a JSON string. */
#ifndef BCQ_RUNTIME_JSON_STRING_H_
#define BCQ_RUNTIME_JSON_STRING_H_

#include <cstdint>
#include <string_view>

namespace bcq::runtime {

/* The length in bytes of the UTF-8 character that a text begins with; 0 where it is none. */
size_t utf8_length(std::string_view text);

/* The value of so many hexadecimal digits; -1 where one is none. */
int32_t hexadecimal(std::string_view digits);

/* The bytes that a string stands for, one after the other: escapes become UTF-8, and halves of
 * surrogates without the other three bytes that are not. Memory is not needed. */
class StringBytes {
 public:
  /* raw: what is between the quotes, all of it valid. */
  explicit StringBytes(std::string_view raw) : raw_(raw) {}

  /* The next byte, from 0 to 255; -1: there is none. */
  int next();

 private:
  void take_escape();
  uint32_t take_unit(); /* "uXXXX", of a surrogate that it begins both halves */
  void encode(uint32_t character);

  std::string_view raw_;
  unsigned char encoded_[4];
  int at_ = 0, count_ = 0;
};

/* Whether the strings are the same, and which comes first: < 0, 0, > 0. */
int compare_strings(std::string_view raw, std::string_view other);

}  // namespace bcq::runtime

#endif
