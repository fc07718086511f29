/* Tables -> y.
 *
 * The sums of entries are integers, so that their order is free. What is done in floating point is
 * done in double, in an order that depends on nothing but the matrix and the row of x:
 *   y[r] = sum over K tiles of (sum over segments of offset (sum of x)
 *            + unit (sum over segments of (sum over planes of scale (sum of entries))))
 * Sums over planes, and over segments where scales have few digits, are exact. */

/* Adds one segment of one row of x to `total` [64]: sums [planes][64], `sum_stride` apart, times
 * the planes' scales. */
static inline void add_segment(const ScaledTile& scaled, const int32_t* sums, int64_t sum_stride,
                               double* total) {
  constexpr int kAtOnce = 4;  // vectors, for which there are registers
  for (int r = 0; r < kTileRows; r += 8 * kAtOnce) {
    f64x8 sum[kAtOnce] = {};
    for (int64_t p = 0; p < scaled.tile.planes; ++p) {
      for (int i = 0; i < kAtOnce; ++i) {
        const int row = r + 8 * i;
        sum[i] += load_doubles(scaled.scale[p] + row) * load_doubles(sums + p * sum_stride + row);
      }
    }
    for (int i = 0; i < kAtOnce; ++i) {
      double* const to = total + r + 8 * i;
      store(to, load<f64x8>(to) + sum[i]);
    }
  }
}

/* One row tile times K tile `k` of `batch` rows of x from `row` on, added to y [batch][64], which
 * are y_stride apart. */
template <int kDigits, int kBatch>
static void add_tile(const bcq_matrix* m, const Tables* t, const Segments& segments,
                     ScaledTile* scaled, int64_t row, int64_t k, double* y, int64_t y_stride) {
  const Tile& tile = scaled->tile;
  alignas(64) int32_t sums[BCQ_MAX_BITS][kBatch][kTileRows];
  alignas(64) double total[kBatch][kTileRows] = {};
  for (int64_t i = 0; i < segments.count; ++i) {
    const Segment& s = segments.segment[i];
    scaled->choose_group(m, s.group);
    const uint8_t* bytes = t->bytes + row * t->row_bytes + s.begin * kTableBytes<kDigits>;
    const uint32_t* weights =
        kDigits == 1 ? t->weights + row * t->row_weights + s.begin * 2 : nullptr;
    for (int64_t p = 0; p < tile.planes; ++p) {
      const uint32_t* words = tile.words + (s.begin * tile.planes + p) * kTileRows;
      sum_entries<kDigits, kBatch>(words, tile.planes * kTileRows, s.end - s.begin, bytes,
                                   t->row_bytes, weights, t->row_weights, sums[p][0]);
    }
    for (int b = 0; b < kBatch; ++b) {
      add_segment(*scaled, sums[0][b], kBatch * kTileRows, total[b]);
      if (m->offset == nullptr) continue;
      const double sum_of_x = t->sums[((row + b) * t->tiles + k) * kTileWords + i];
      add_times(sum_of_x, scaled->offset, y + b * y_stride);
    }
  }
  for (int b = 0; b < kBatch; ++b) {
    add_times(t->units[(row + b) * t->tiles + k], total[b], y + b * y_stride);
  }
}

enum { kBlockTiles = 4, kBlockBatch = 8 };

/* The row tiles and rows of x that are worked on together, so that tables stay in the cache while
 * the words of several tiles pass, and words while several rows of x do. */
struct Block {
  int64_t row, batch, first_tile, tiles;
  alignas(64) double y[kBlockBatch][kBlockTiles * kTileRows];

  void start(int64_t row_, int64_t batch_, int64_t first_tile_, int64_t tiles_) {
    row = row_, batch = batch_, first_tile = first_tile_, tiles = tiles_;
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t i = 0; i < tiles * kTileRows; i += 8) store(y[b] + i, f64x8{});
    }
  }
};

template <int kDigits>
static void add_block(const bcq_matrix* m, const Tables* t, Block* block) {
  constexpr int64_t kStride = kBlockTiles * kTileRows;
  ScaledTile tiles[kBlockTiles];
  for (int64_t i = 0; i < block->tiles; ++i) tiles[i].start(m, block->first_tile + i);
  for (int64_t k = 0; k < t->tiles; ++k) {
    const Segments segments = segments_of(m, k);
    for (int64_t b = 0; b < block->batch;) {
      const bool several = b + kBatchAtOnce<kDigits> <= block->batch;
      for (int64_t i = 0; i < block->tiles; ++i) {
        double* y = block->y[b] + i * kTileRows;
        if (several) {
          add_tile<kDigits, kBatchAtOnce<kDigits>>(m, t, segments, &tiles[i], block->row + b, k, y,
                                                   kStride);
        } else {
          add_tile<kDigits, 1>(m, t, segments, &tiles[i], block->row + b, k, y, kStride);
        }
      }
      b += several ? kBatchAtOnce<kDigits> : 1;
    }
  }
}

template <int kDigits>
static void multiply(const bcq_matrix* m, const Tables* t, bcq_type type, const void* x, void* y,
                     int64_t row, int64_t batch, int64_t first_tile, int64_t count) {
  Block block;
  block.start(row, batch, first_tile, count);
  add_block<kDigits>(m, t, &block);
  for (int64_t b = 0; b < batch; ++b) {
    const bool finite = is_finite(t, row + b);
    for (int64_t i = 0; i < count; ++i) {
      store_product(m, first_tile + i, finite, type, element(x, type, (row + b) * m->columns),
                    block.y[b] + i * kTileRows, element(y, type, (row + b) * m->rows));
    }
  }
}
