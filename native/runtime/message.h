/* Messages of pieces: text, numbers and shapes, put together only where something is wrong. */
#ifndef BCQ_RUNTIME_MESSAGE_H_
#define BCQ_RUNTIME_MESSAGE_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

namespace bcq::runtime {

/* A piece, which may be of something that is gone after the statement. */
class Piece {
 public:
  Piece(const char* text) : Piece(std::string_view(text)) {}
  Piece(const std::string& text) : Piece(std::string_view(text)) {}
  Piece(std::string_view text) : Piece(Kind::kText, text) {}
  template <class Number,
            class = std::enable_if_t<(sizeof(Number) > 1) && std::is_integral_v<Number>>>
  Piece(Number number)
      : kind_(std::is_signed_v<Number> ? Kind::kNumber : Kind::kUnsigned),
        length_(static_cast<int64_t>(number)) {}

  void add_to(std::string* text) const;

 private:
  friend Piece quoted(std::string_view text);
  friend Piece shown(std::string_view text);
  friend Piece shown(const int64_t* shape, int64_t rank);

  enum class Kind : uint8_t { kText, kQuoted, kShown, kNumber, kUnsigned, kShape };

  Piece(Kind kind, std::string_view text)
      : kind_(kind), data_(text.data()), length_(static_cast<int64_t>(text.size())) {}
  Piece(const int64_t* shape, int64_t rank) : kind_(Kind::kShape), data_(shape), length_(rank) {}

  Kind kind_;
  const void* data_ = nullptr;
  int64_t length_; /* or the number */
};

/* Text out of a file on one line, in quotes, of a bounded length. */
inline Piece quoted(std::string_view text) { return {Piece::Kind::kQuoted, text}; }

/* The same without quotes, for values that are JSON. */
inline Piece shown(std::string_view text) { return {Piece::Kind::kShown, text}; }

/* "[2, 3]" */
inline Piece shown(const int64_t* shape, int64_t rank) { return {shape, rank}; }

/* A number of six digits. */
std::string shown(double number);

std::string joined(std::initializer_list<Piece> pieces);

}  // namespace bcq::runtime

#endif
