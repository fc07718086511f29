#include "tile.h"

#include <algorithm>
#include <cstring>

#include "export.h"

namespace {

constexpr int64_t kLineWords = 16;  // a cache line of the source is read whole

int64_t WordsPerRow(int64_t columns) { return columns / 32 + (columns % 32 != 0); }

bool Valid(int64_t rows, int64_t columns, int32_t bits, const int64_t* plane_rows) {
  if (rows < 1 || columns < 1 || bits < 1 || bits > BCQ_MAX_BITS || plane_rows == nullptr ||
      plane_rows[0] != rows) {
    return false;
  }
  for (int32_t i = 0; i < bits; ++i) {
    if (plane_rows[i] < 0 || (i > 0 && plane_rows[i] > plane_rows[i - 1])) return false;
  }
  return true;
}

/* Planes that cover the row. */
int32_t PlanesOf(int64_t row, int32_t bits, const int64_t* plane_rows) {
  int32_t planes = 0;
  while (planes < bits && plane_rows[planes] > row) ++planes;
  return planes;
}

/* Writes one plane of one tile: `count` rows of `words` words, each word to its place among the
 * 64 of its column; places of `stride` words. */
void TilePlane(const uint32_t* rows, int64_t count, int64_t words, uint32_t* tile,
               int64_t stride) {
  for (int64_t begin = 0; begin < words; begin += kLineWords) {
    const int64_t end = std::min(begin + kLineWords, words);
    for (int64_t row = 0; row < count; ++row) {
      for (int64_t word = begin; word < end; ++word) {
        tile[word * stride + row] = rows[row * words + word];
      }
    }
    if (count == BCQ_TILE_ROWS) continue;
    for (int64_t word = begin; word < end; ++word) {
      std::memset(tile + word * stride + count, 0, (BCQ_TILE_ROWS - count) * sizeof(uint32_t));
    }
  }
}

}  // namespace

extern "C" {

BCQ_EXPORT int64_t bcq_tile_words(int64_t rows, int64_t columns, int32_t bits,
                                  const int64_t* plane_rows) {
  if (!Valid(rows, columns, bits, plane_rows)) return -1;
  int64_t tiles = 0;  // of one plane each
  for (int32_t i = 0; i < bits; ++i) {
    tiles += plane_rows[i] / BCQ_TILE_ROWS + (plane_rows[i] % BCQ_TILE_ROWS != 0);
  }
  int64_t words;
  if (__builtin_mul_overflow(WordsPerRow(columns), int64_t{BCQ_TILE_ROWS}, &words) ||
      __builtin_mul_overflow(words, tiles, &words) || words > BCQ_MOST_ELEMENTS) {
    return -1;
  }
  return words;
}

BCQ_EXPORT bcq_status bcq_tile(int64_t rows, int64_t columns, int32_t bits,
                               const int64_t* plane_rows, const uint32_t* const* planes,
                               uint32_t* tiles) {
  if (bcq_tile_words(rows, columns, bits, plane_rows) < 0 || planes == nullptr ||
      tiles == nullptr) {
    return BCQ_BAD_ARGUMENT;
  }
  for (int32_t i = 0; i < bits; ++i) {
    if (planes[i] == nullptr && plane_rows[i] > 0) return BCQ_BAD_ARGUMENT;
  }
  const int64_t words = WordsPerRow(columns);
  for (int64_t first = 0; first < rows; first += BCQ_TILE_ROWS) {
    const int32_t count = PlanesOf(first, bits, plane_rows);
    const int64_t stride = static_cast<int64_t>(count) * BCQ_TILE_ROWS;
    for (int32_t i = 0; i < count; ++i) {
      const int64_t covered = std::min<int64_t>(plane_rows[i] - first, BCQ_TILE_ROWS);
      TilePlane(planes[i] + first * words, covered, words, tiles + i * BCQ_TILE_ROWS, stride);
    }
    tiles += words * stride;
  }
  return BCQ_OK;
}

}  // extern "C"
