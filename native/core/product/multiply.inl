/* Tables -> y. Included inside the namespace of an instruction set, after its lookup file.
 *
 * The sums of entries are integers, so that their order is free. What is done in floating point is
 * done in double, in an order that depends on nothing but the matrix and the row of x:
 *   y[r] = sum over K tiles of (unit (sum over segments and planes of scale (sum of entries))
 *                               + sum over segments of offset (sum of x))          */

/* Words of one plane in one segment, and those that will be wanted when they are done. */
struct PlaneWords {
  const uint32_t *words, *next;
  int64_t stride, count;
};

/* Scales or offsets of 64 rows as double; past the last row zeros. */
static inline void load_scales(const void* scales, int32_t type, int64_t rows,
                               double to[kTileRows]) {
  float values[kTileRows] = {};
  to_floats(scales, type, rows, values);
  for (int i = 0; i < kTileRows; i += kLanes) {
    const f32x16 v = load<f32x16>(values + i);
    store(to + i, widen_low(v));
    store(to + i + 8, widen_high(v));
  }
}

/* to += factor values */
static inline void add_scaled(double factor, const double values[kTileRows],
                              double to[kTileRows]) {
  for (int i = 0; i < kTileRows; i += 8) {
    store(to + i, load<f64x8>(to + i) + factor * load<f64x8>(values + i));
  }
}

/* to += scales sums */
static inline void add_sums(const double scales[kTileRows], const int32_t sums[kTileRows],
                            double to[kTileRows]) {
  for (int i = 0; i < kTileRows; i += 8) {
    const f64x8 sum = __builtin_convertvector(load<i32x8>(sums + i), f64x8);
    store(to + i, load<f64x8>(to + i) + load<f64x8>(scales + i) * sum);
  }
}

template <int digits, int batch>
static inline void lookup(const Tables* t, int64_t row, int64_t word, const PlaneWords& plane,
                          int32_t* sums) {
  const uint8_t* bytes = t->bytes + row * t->row_bytes + word * kTableBytes<digits>;
  const uint32_t* weights = digits == 1 ? t->weights + row * t->row_weights + word * 2 : nullptr;
  lookup_some<digits, batch>(plane.words, plane.stride, plane.count, bytes, t->row_bytes, weights,
                             t->row_weights, plane.next, sums);
}

/* One row tile times K tile `k` of `batch` rows of x from `row` on, added to y [batch][64], which
 * are y_stride apart. `next`: where the tile that comes after this one has its words. */
template <int digits, int batch>
static void add_tile(const bcq_matrix* m, const Tables* t, const Tile& tile, const uint32_t* next,
                     int64_t row, int64_t k, double* y, int64_t y_stride) {
  alignas(64) int32_t sums[batch * kTileRows];
  alignas(64) double partial[batch][kTileRows] = {}, scales[kTileRows];
  const int64_t start = k * t->tile_words, end = smaller(start + t->tile_words, words_per_row(m));
  int64_t index = 0;  // of the segment
  for (int64_t word = start; word < end; ++index) {
    const Segment s = segment_at(m, word, end);
    for (int64_t plane = 0; plane < tile.planes; ++plane) {
      const int64_t place = (s.begin * tile.planes + plane) * kTileRows;
      const PlaneWords words = {tile.words + place, next + place, tile.planes * kTileRows,
                                s.end - s.begin};
      lookup<digits, batch>(t, row, s.begin, words, sums);
      load_scales(scales_at(m, s.group, plane, tile.first), m->scale_type, tile.rows, scales);
      for (int b = 0; b < batch; ++b) add_sums(scales, sums + b * kTileRows, partial[b]);
    }
    if (m->offset != nullptr) {
      load_scales(offset_at(m, s.group, tile.first), m->scale_type, tile.rows, scales);
      for (int b = 0; b < batch; ++b) {
        const double sum = t->sums[((row + b) * t->tiles + k) * kMostTileWords + index];
        add_scaled(sum, scales, y + b * y_stride);
      }
    }
    word = s.end;
  }
  for (int b = 0; b < batch; ++b) {
    add_scaled(t->units[(row + b) * t->tiles + k], partial[b], y + b * y_stride);
  }
}

/* The row tiles and rows of x that are worked on together, so that tables stay in the cache while
 * the words of several tiles pass, and words while several rows of x do. */
struct Block {
  int64_t row, batch, first_tile, tiles;
  alignas(64) double y[kBlockBatch][kBlockTiles * kTileRows];
};

template <int digits>
static void add_block(const bcq_matrix* m, const Tables* t, Block* block) {
  constexpr int64_t stride = kBlockTiles * kTileRows;
  Tile tile[kBlockTiles];
  for (int64_t i = 0; i < block->tiles; ++i) tile[i] = tile_at(m, block->first_tile + i);
  for (int64_t k = 0; k < t->tiles; ++k) {
    for (int64_t b = 0; b < block->batch;) {
      const bool several = b + kBatchAtOnce <= block->batch;
      for (int64_t i = 0; i < block->tiles; ++i) {
        const uint32_t* next = i + 1 < block->tiles
                                   ? tile[i + 1].words
                                   : tile[0].words + t->tile_words * tile[0].planes * kTileRows;
        double* y = block->y[b] + i * kTileRows;
        if (several) {
          add_tile<digits, kBatchAtOnce>(m, t, tile[i], next, block->row + b, k, y, stride);
        } else {
          add_tile<digits, 1>(m, t, tile[i], next, block->row + b, k, y, stride);
        }
      }
      b += several ? kBatchAtOnce : 1;
    }
  }
}

/* Writes 64 sums of one row of x to where their rows are in y [rows], rounded to its type. */
static inline void store_outputs(const bcq_matrix* m, const Tile& tile, const float sums[kTileRows],
                                 bcq_type type, void* y) {
  if (m->row_order == nullptr) {
    return from_floats(sums, type, tile.rows, element(y, type, tile.first));
  }
  float values[kTileRows];  // of the type; large enough for all
  from_floats(sums, type, kTileRows, values);
  const int64_t bytes = type_bytes(type);
  for (int64_t i = 0; i < tile.rows; ++i) {
    __builtin_memcpy(element(y, type, original_row(m, tile.first + i)), element(values, type, i),
                     bytes);
  }
}

static bool is_finite(const Tables* t, int64_t row) {
  for (int64_t k = 0; k < t->tiles; ++k) {
    if (!t->finite[row * t->tiles + k]) return false;
  }
  return true;
}

static void multiply(const bcq_matrix* m, const Tables* t, bcq_type type, const void* x, void* y,
                     int64_t row, int64_t batch, int64_t first_tile, int64_t count) {
  Block block = {row, batch, first_tile, count, {}};
  if (t->precision == BCQ_EXACT) {
    add_block<3>(m, t, &block);
  } else {
    add_block<1>(m, t, &block);
  }
  for (int64_t b = 0; b < batch; ++b) {
    const bool finite = is_finite(t, row + b);
    for (int64_t i = 0; i < count; ++i) {
      const Tile tile = tile_at(m, first_tile + i);
      float sums[kTileRows];
      for (int r = 0; r < kTileRows; ++r) sums[r] = (float)block.y[b][i * kTileRows + r];
      if (!finite) plain_product(m, tile, type, element(x, type, (row + b) * m->columns), sums);
      store_outputs(m, tile, sums, type, element(y, type, (row + b) * m->rows));
    }
  }
}
