/* What every method needs to make y: the scales of a row tile, and the last step. */

/* Scales or offsets of 64 rows as double; past the last row zeros. */
static inline void load_scales(const void* scales, int32_t type, int64_t rows,
                               double to[kTileRows]) {
  for (int i = 0; i < kTileRows; i += kLanes) {
    const f32x16 v = load_some(element(scales, type, i), type, rows - i);
    store(to + i, widen_low(v));
    store(to + i + 8, widen_high(v));
  }
}

/* A row tile and its scales in one group. */
struct ScaledTile {
  Tile tile;
  int64_t group;
  alignas(64) double scale[BCQ_MAX_BITS][kTileRows], offset[kTileRows];

  void start(const bcq_matrix* m, int64_t index) {
    tile = tile_at(m, index);
    group = -1;
  }

  void choose_group(const bcq_matrix* m, int64_t wanted) {
    if (group == wanted) return;
    group = wanted;
    for (int64_t p = 0; p < tile.planes; ++p) {
      load_scales(scales_at(m, group, p, tile.first), m->scale_type, tile.rows, scale[p]);
    }
    if (m->offset == nullptr) return;
    load_scales(offset_at(m, group, tile.first), m->scale_type, tile.rows, offset);
  }
};

static bool is_finite(const Tables* t, int64_t row) {
  for (int64_t k = 0; k < t->tiles; ++k) {
    if (!t->finite[row * t->tiles + k]) return false;
  }
  return true;
}

/* Stores what a block has: y of one row of x and one row tile, from sums [64]. */
static inline void store_product(const bcq_matrix* m, int64_t tile_index, bool finite,
                                 bcq_type type, const void* x_row, const double* from,
                                 void* y_row) {
  const Tile tile = tile_at(m, tile_index);
  float sums[kTileRows];
  for (int r = 0; r < kTileRows; r += kLanes) {
    store(sums + r, narrow(load<f64x8>(from + r), load<f64x8>(from + r + 8)));
  }
  if (!finite) plain_product(m, tile, type, x_row, sums);
  store_rows(m, tile, sums, type, y_row);
}
