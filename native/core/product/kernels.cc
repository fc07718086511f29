#include "core/product/kernels.h"

#include "core/tile.h"

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
