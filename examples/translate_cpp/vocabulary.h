/* A SentencePiece byte-pair vocabulary, read from its model file: text to token ids and back. For
 * models whose text is not normalized, as transformer/vocabulary.py trains them: a space is U+2581
 * in a piece, and what no piece has becomes its UTF-8 bytes (Kudo & Richardson 2018). */
#ifndef TRANSLATE_CPP_VOCABULARY_H_
#define TRANSLATE_CPP_VOCABULARY_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

class Vocabulary {
 public:
  /* `model`: the bytes of the file. Throws std::runtime_error where they are none. */
  explicit Vocabulary(std::string_view model);

  std::vector<int32_t> encode(std::string_view text) const;

  /* The text of ids; control tokens have none. */
  std::string decode(const std::vector<int32_t>& ids) const;

 private:
  enum Kind { kNormal = 1, kUnknown = 2, kControl = 3, kByte = 6 };

  struct Piece {
    std::string text;
    float score = 0;
    int kind = kNormal;
  };

  static Piece read_piece(std::string_view message);
  const Piece* find(std::string_view text) const;
  void add_ids(std::string_view symbol, std::vector<int32_t>* ids) const;

  std::vector<Piece> pieces_;
  std::unordered_map<std::string_view, int32_t> ids_; /* of normal pieces */
  int32_t bytes_[256];                                /* ids of the pieces of single bytes */
  int32_t unknown_ = 0;
};

#endif
