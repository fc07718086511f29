#include "runtime/tiles.h"

#include "core/arrays.h"

namespace bcq::runtime {

void fill_tiles(const uint32_t* planes, const bcq_matrix& sizes, uint32_t* tiles) {
  const int64_t words = divide_up(sizes.columns, BCQ_WORD_BITS);
  for (int64_t first = 0; first < sizes.rows; first += BCQ_TILE_ROWS) {
    int32_t bits = 0;  // of this tile
    while (bits < sizes.bits && sizes.plane_rows[bits] > first) ++bits;
    const uint32_t* plane = planes;
    for (int32_t i = 0; i < bits; plane += sizes.plane_rows[i++] * words) {
      const int64_t rows = smaller(BCQ_TILE_ROWS, sizes.plane_rows[i] - first);
      for (int64_t word = 0; word < words; ++word) {
        uint32_t* const to = tiles + (word * bits + i) * BCQ_TILE_ROWS;
        for (int64_t row = 0; row < rows; ++row) to[row] = plane[(first + row) * words + word];
      }
    }
    tiles += words * bits * BCQ_TILE_ROWS;
  }
}

}  // namespace bcq::runtime
