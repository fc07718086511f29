/* What every method needs to make y: the scales of a row tile, and the last step. */

/* Scales or offsets of 64 rows as float32: where they stand, or else in `own`, past the last row
 * zeros. */
static inline const float* floats_of(const void* scales, int32_t type, int64_t rows,
                                     float own[kTileRows]) {
  if (type == BCQ_FLOAT32 && rows == kTileRows) return (const float*)scales;
  for (int i = 0; i < kTileRows; i += kLanes) {
    store(own + i, load_some(element(scales, type, i), type, rows - i));
  }
  return own;
}

/* A row tile and its scales in one group. */
struct ScaledTile {
  Tile tile;
  int64_t group;
  const float *scale[BCQ_MAX_BITS], *offset; /* [64] each */
  alignas(64) float own[BCQ_MAX_BITS + 1][kTileRows];

  void start(const bcq_matrix* m, int64_t index) {
    tile = tile_at(m, index);
    group = -1;
  }

  void choose_group(const bcq_matrix* m, int64_t wanted) {
    if (group == wanted) return;
    group = wanted;
    for (int64_t p = 0; p < tile.planes; ++p) {
      scale[p] = floats_of(scales_at(m, group, p, tile.first), m->scale_type, tile.rows, own[p]);
    }
    if (m->offset == nullptr) return;
    const void* const offsets = offset_at(m, group, tile.first);
    offset = floats_of(offsets, m->scale_type, tile.rows, own[BCQ_MAX_BITS]);
  }
};

/* y [64] += factor values [64] */
static inline void add_times(double factor, const double* values, double* y) {
  for (int r = 0; r < kTileRows; r += 8) {
    store(y + r, load<f64x8>(y + r) + factor * load<f64x8>(values + r));
  }
}
static inline void add_times(double factor, const float* values, double* y) {
  for (int r = 0; r < kTileRows; r += 8) {
    store(y + r, load<f64x8>(y + r) + factor * load_doubles(values + r));
  }
}

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
