/* The rules of matrix.h. */
#include "core/matrix.h"

#include "core/product/kernels.h"

namespace bcq {

bool valid(const bcq_matrix* m, bcq_type type) {
  if (m == nullptr || !is_type(type) || !is_type(m->scale_type)) return false;
  if (m->tiles == nullptr || m->scales == nullptr) return false;
  if (bcq_tile_words(m->rows, m->columns, m->bits, m->plane_rows) < 0) return false;
  // Tables take at most 16 bytes for each column.
  if (m->columns > INT64_MAX / 64) return false;
  if ((m->row_order == nullptr) != (m->row_place == nullptr)) return false;
  return m->group_size == m->columns || (m->group_size > 0 && m->group_size % kWordBits == 0);
}

bool rows_paired(const bcq_matrix* m) {
  if (m->row_order == nullptr) return true;
  for (int64_t stored = 0; stored < m->rows; ++stored) {
    const int64_t row = m->row_order[stored];
    if (row < 0 || row >= m->rows || m->row_place[row] != stored) return false;
  }
  return true;
}

}  // namespace bcq

int64_t bcq_tile_words(int64_t rows, int64_t columns, int32_t bits, const int64_t* plane_rows) {
  if (rows < 1 || columns < 1 || bits < 1 || bits > BCQ_MAX_BITS) return -1;
  if (plane_rows == nullptr || plane_rows[0] != rows) return -1;
  int64_t tiles = 0;  // of one plane each
  for (int32_t i = 0; i < bits; ++i) {
    if (plane_rows[i] < 0 || (i > 0 && plane_rows[i] > plane_rows[i - 1])) return -1;
    tiles += bcq::divide_up(plane_rows[i], BCQ_TILE_ROWS);
  }
  int64_t words = bcq::divide_up(columns, BCQ_WORD_BITS);
  if (__builtin_mul_overflow(words, int64_t{BCQ_TILE_ROWS}, &words) ||
      __builtin_mul_overflow(words, tiles, &words) || words > BCQ_MOST_ELEMENTS) {
    return -1;
  }
  return words;
}
