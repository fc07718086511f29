#include "core/tile.h"

#include "core/arrays.h"
#include "core/export.h"

namespace {

bool valid(int64_t rows, int64_t columns, int32_t bits, const int64_t* plane_rows) {
  if (rows < 1 || columns < 1 || bits < 1 || bits > BCQ_MAX_BITS || plane_rows == nullptr ||
      plane_rows[0] != rows) {
    return false;
  }
  for (int32_t i = 0; i < bits; ++i) {
    if (plane_rows[i] < 0 || (i > 0 && plane_rows[i] > plane_rows[i - 1])) return false;
  }
  return true;
}

}  // namespace

extern "C" {

BCQ_EXPORT int64_t bcq_tile_words(int64_t rows, int64_t columns, int32_t bits,
                                  const int64_t* plane_rows) {
  if (!valid(rows, columns, bits, plane_rows)) return -1;
  int64_t tiles = 0;  // of one plane each
  for (int32_t i = 0; i < bits; ++i) {
    tiles += bcq::divide_up(plane_rows[i], BCQ_TILE_ROWS);
  }
  int64_t words;
  if (__builtin_mul_overflow(bcq::divide_up(columns, BCQ_WORD_BITS), int64_t{BCQ_TILE_ROWS}, &words) ||
      __builtin_mul_overflow(words, tiles, &words) || words > BCQ_MOST_ELEMENTS) {
    return -1;
  }
  return words;
}

}  // extern "C"
