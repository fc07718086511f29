#include "vocabulary.h"

#include <cstring>
#include <queue>
#include <stdexcept>

namespace {

constexpr std::string_view kSpace = "\xe2\x96\x81", kReplacement = "\xef\xbf\xbd";
constexpr std::string_view kUnknownText = " \xe2\x81\x87 ";

/* The fields of a message of protocol buffers, one after the other. */
class Fields {
 public:
  explicit Fields(std::string_view message) : rest_(message) {}

  /* Moves to the next field; false at the end. */
  bool next() {
    if (rest_.empty()) return false;
    const uint64_t key = varint();
    number = static_cast<int>(key >> 3);
    switch (key & 7) {
      case 0:
        integer = varint();
        return true;
      case 1:
        bytes = take(8);
        return true;
      case 2:
        bytes = take(varint());
        return true;
      case 5:
        bytes = take(4);
        return true;
      default:
        throw std::runtime_error("the vocabulary is no SentencePiece model");
    }
  }

  int number = 0;
  uint64_t integer = 0;   /* of a field that is one */
  std::string_view bytes; /* of any other */

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= uint64_t{byte & 127u} << shift;
      if (byte < 128) return value;
    }
    throw std::runtime_error("the vocabulary has a number that does not end");
  }

  std::string_view take(uint64_t count) {
    if (count > rest_.size()) throw std::runtime_error("the vocabulary is cut short");
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  std::string_view rest_;
};

/* Bytes of the character that begins with this one. */
size_t character_bytes(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

/* Bytes of the UTF-8 character at the start; 0: there is none. */
size_t whole_character(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const size_t count = character_bytes(text[0]);
  if (at(0) >= 0x80 && (at(0) < 0xc2 || at(0) > 0xf4)) return 0;
  if (count > text.size()) return 0;
  for (size_t i = 1; i < count; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  const bool too_long = (at(0) == 0xe0 && at(1) < 0xa0) || (at(0) == 0xf0 && at(1) < 0x90);
  const bool none = (at(0) == 0xed && at(1) > 0x9f) || (at(0) == 0xf4 && at(1) > 0x8f);
  return too_long || none ? 0 : count;
}

/* Bytes as text, with U+FFFD for each that is part of no character. */
std::string as_characters(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const size_t count = whole_character(bytes);
    text += count > 0 ? bytes.substr(0, count) : kReplacement;
    bytes.remove_prefix(count > 0 ? count : 1);
  }
  return text;
}

std::string without_marks(std::string text) {
  for (size_t at = 0; (at = text.find(kSpace, at)) != std::string::npos; ++at) {
    text.replace(at, kSpace.size(), " ");
  }
  return text;
}

std::string with_marks(std::string_view text) {
  std::string marked;
  for (char c : text) {
    if (c == ' ') {
      marked += kSpace;
    } else {
      marked += c;
    }
  }
  return marked;
}

/* A part of the text in a list of its neighbours; empty once it is merged into the one before. */
struct Symbol {
  std::string_view text;
  int before, after;
};

/* Two neighbours that are a piece together. */
struct Pair {
  float score;
  int left, right;
  size_t bytes; /* of both, when they were found: else one of them has changed */

  bool operator<(const Pair& other) const {
    return score != other.score ? score < other.score : left > other.left;
  }
};

}  // namespace

Vocabulary::Vocabulary(std::string_view model) {
  for (Fields fields(model); fields.next();) {
    if (fields.number == 1) pieces_.push_back(read_piece(fields.bytes));
  }
  if (pieces_.empty()) throw std::runtime_error("the vocabulary has no pieces");
  for (int32_t& id : bytes_) id = -1;
  for (size_t i = 0; i < pieces_.size(); ++i) {
    const Piece& piece = pieces_[i];
    const auto id = static_cast<int32_t>(i);
    if (piece.kind == kNormal) ids_.emplace(piece.text, id);
    if (piece.kind == kUnknown) unknown_ = id;
    if (piece.kind == kByte && piece.text.size() == 6) {  // "<0x41>"
      bytes_[std::stoi(piece.text.substr(3, 2), nullptr, 16)] = id;
    }
  }
}

Vocabulary::Piece Vocabulary::read_piece(std::string_view message) {
  Piece piece;
  for (Fields fields(message); fields.next();) {
    if (fields.number == 1) piece.text = fields.bytes;
    if (fields.number == 2 && fields.bytes.size() == 4) {
      std::memcpy(&piece.score, fields.bytes.data(), 4);
    }
    if (fields.number == 3) piece.kind = static_cast<int>(fields.integer);
  }
  return piece;
}

const Vocabulary::Piece* Vocabulary::find(std::string_view text) const {
  const auto found = ids_.find(text);
  return found == ids_.end() ? nullptr : &pieces_[found->second];
}

std::vector<int32_t> Vocabulary::encode(std::string_view text) const {
  const std::string marked = with_marks(text);
  const std::string_view all = marked;
  std::vector<Symbol> symbols;
  for (size_t at = 0; at < all.size();) {
    const std::string_view character = all.substr(at, character_bytes(all[at]));
    const int index = static_cast<int>(symbols.size());
    symbols.push_back({character, index - 1, index + 1});
    at += character.size();
  }
  std::priority_queue<Pair> pairs;
  const auto add = [&](int left, int right) {
    if (left < 0 || right >= static_cast<int>(symbols.size())) return;
    const std::string_view& a = symbols[left].text;
    const std::string_view both(a.data(), a.size() + symbols[right].text.size());
    if (const Piece* piece = find(both)) pairs.push({piece->score, left, right, both.size()});
  };
  for (int i = 1; i < static_cast<int>(symbols.size()); ++i) add(i - 1, i);
  while (!pairs.empty()) {
    const Pair pair = pairs.top();
    pairs.pop();
    Symbol& left = symbols[pair.left];
    Symbol& right = symbols[pair.right];
    if (left.text.empty() || right.text.empty()) continue;
    if (left.text.size() + right.text.size() != pair.bytes) continue;
    left.text = {left.text.data(), pair.bytes};
    right.text = {};
    left.after = right.after;
    if (right.after < static_cast<int>(symbols.size())) symbols[right.after].before = pair.left;
    add(left.before, pair.left);
    add(pair.left, left.after);
  }
  std::vector<int32_t> ids;
  for (const Symbol& symbol : symbols) {
    if (!symbol.text.empty()) add_ids(symbol.text, &ids);
  }
  return ids;
}

void Vocabulary::add_ids(std::string_view symbol, std::vector<int32_t>* ids) const {
  const auto found = ids_.find(symbol);
  if (found != ids_.end()) return ids->push_back(found->second);
  for (char c : symbol) {
    const int32_t id = bytes_[static_cast<unsigned char>(c)];
    ids->push_back(id < 0 ? unknown_ : id);
  }
}

std::string Vocabulary::decode(const std::vector<int32_t>& ids) const {
  std::string text, bytes;  // of a run of pieces that are bytes
  for (int32_t id : ids) {
    if (id < 0 || static_cast<size_t>(id) >= pieces_.size()) continue;
    const Piece& piece = pieces_[id];
    if (piece.kind == kByte && piece.text.size() == 6) {
      bytes += static_cast<char>(std::stoi(piece.text.substr(3, 2), nullptr, 16));
      continue;
    }
    text += as_characters(bytes);
    bytes.clear();
    if (piece.kind == kUnknown) text += kUnknownText;
    if (piece.kind == kNormal) text += without_marks(piece.text);
  }
  return text + as_characters(bytes);
}
