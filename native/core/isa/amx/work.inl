/* How the work goes: row tiles, K tiles, and parts of them. Included inside the namespace of a set.
 */

/* Rows of x that are multiplied together. */
enum { kMostBlock = 128, kMostRowBlocks = kMostBlock / 16 };

/* Steps of a part, where K tiles are cut: its A stays in the first-level cache while the rows of a
 * tile pass. And slots for B of one row block: more would push A out of that. */
enum { kPartSteps = 8, kRing = 4 };

/* A part of one segment of a K tile, or of all of them. */
struct Part {
  int64_t k, step, steps; /* the K tile, and which of its steps */
  int64_t segment;        /* that of the first step */
  bool first, last;       /* of what is cut */
};

static inline const int8_t* a_of(const RowBlock& block, const Part& part) {
  return block.a + part.k * block.k_stride + part.step * block.tiles * kTileBytes;
}

/* action(part) for the parts of `steps` steps from `first` on, each of at most `most`. */
template <class Action>
static inline void for_parts(const Steps& all, int64_t k, int64_t first, int64_t steps,
                             int64_t most, const Action& action) {
  for (int64_t i = 0; i < steps; i += most) {
    const int64_t step = first + i;
    action(
        Part{k, step, smaller(most, steps - i), all.step[step].segment, i == 0, i + most >= steps});
  }
}

/* The same for one segment after the other. */
template <class Action>
static inline void for_parts_of_segments(const Steps& all, int64_t k, int64_t most,
                                         const Action& action) {
  for (int64_t first = 0, steps = 0; first < all.count; first += steps, steps = 0) {
    while (first + steps < all.count &&
           all.step[first + steps].segment == all.step[first].segment) {
      ++steps;
    }
    for_parts(all, k, first, steps, most, action);
  }
}

/* What each method needs for a row tile and a block of rows of x. */
struct Work {
  const bcq_matrix* m;
  const Tables* t;
  ScaledTile scaled;
  Segments segments; /* of the K tile, and its steps */
  Steps steps;
  int64_t row, batch; /* of x */
  RowBlock blocks[kMostRowBlocks];
  int64_t block_count;
  alignas(64) double y[kMostBlock][kTileRows];
  alignas(64) int32_t sums[kSumTiles * 256];
  alignas(64) int8_t b[16 * kTileBytes];
};

template <int kDigits>
static inline void choose_rows(Work* w, const bcq_matrix* m, const Tables* t, int64_t row,
                               int64_t batch) {
  w->m = m, w->t = t, w->row = row, w->batch = batch;
  for (w->block_count = 0; w->block_count < row_blocks(batch); ++w->block_count) {
    RowBlock block = row_block<kDigits>(m, t, row, batch, w->block_count);
    if (block.rows <= 0) break;
    for (int d = 0; d < kDigits; ++d) {
      for (int64_t r = 0; r < block.rows; ++r) block.places[d][r] = (int32_t)block.place(d, r);
    }
    w->blocks[w->block_count] = block;
  }
}

/* The scales of a plane for 16 rows of the matrix from `lane` on. */
static inline f32x16 scales_of(const Work& w, int64_t plane, int64_t lane) {
  return load<f32x16>(w.scaled.scale[plane] + lane);
}

/* One row tile for the rows of x. */
template <class Product>
static void add_row_tile(Product* p, int64_t tile) {
  p->scaled.start(p->m, tile);
  p->start_tile();
  for (int64_t i = 0; i < p->batch; ++i) {
    for (int64_t r = 0; r < kTileRows; r += 8) _mm512_store_pd(p->y[i] + r, _mm512_setzero_pd());
  }
  for (int64_t k = 0; k < p->t->tiles; ++k) {
    p->segments = segments_of(p->m, k);
    p->steps = steps_of(p->segments);
    p->add_k_tile(k);
  }
}

template <class Product>
static void multiply(const bcq_matrix* m, const Tables* t, bcq_type type, const void* x, void* y,
                     int64_t row, int64_t batch, int64_t first_tile, int64_t count) {
  Product p;
  choose_rows<Product::kDigits>(&p, m, t, row, batch);
  configure_tiles((int)p.blocks[0].tile_rows);
  for (int64_t i = 0; i < count; ++i) {
    add_row_tile(&p, first_tile + i);
    for (int64_t b = 0; b < batch; ++b) {
      store_product(m, first_tile + i, is_finite(t, row + b), type,
                    element(x, type, (row + b) * m->columns), p.y[b],
                    element(y, type, (row + b) * m->rows));
    }
  }
  release_tiles();
}
