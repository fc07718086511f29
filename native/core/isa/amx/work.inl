/* How the work goes: row tiles, K tiles, and parts of them. Included inside the namespace of a set.
 */

/* Rows of x that are multiplied together. */
enum { kMostBlock = 128, kMostRowBlocks = kMostBlock / 16 };

/* Steps of a part, where K tiles are cut: its A stays in the first-level cache while the rows of a
 * tile pass. And slots for B of one row block: more would push A out of that. */
enum { kPartSteps = 8, kRing = 4 };

/* A part of one segment of a K tile, or of all of them: steps that all have two words but the last.
 */
struct Part {
  int64_t step, steps; /* of the K tile: the first, and how many */
  int64_t word, words;
  int64_t segment;  /* that of the first step */
  bool first, last; /* of what is cut */
};

/* What each method needs for a row tile and a block of rows of x. */
struct Work {
  const bcq_matrix* m;
  const Tables* t;
  ScaledTile scaled;
  int64_t k; /* the K tile, its segments and its steps */
  Segments segments;
  Steps steps;
  int64_t row, batch; /* of x */
  RowBlock blocks[kMostRowBlocks];
  int64_t block_count;
  alignas(64) double y[kMostBlock][kTileRows];
  alignas(64) int32_t sums[kSumTiles * 256];
  alignas(64) int8_t b[16 * kTileBytes];
};

static inline const int8_t* a_of(const Work& w, const RowBlock& block, const Part& part) {
  return block.a + w.k * block.k_stride + part.step * block.tiles * kTileBytes;
}

/* action(part) for the parts of `steps` steps from `first` on, each of at most `most`. */
template <class Action>
static inline void for_parts(const Work& w, int64_t first, int64_t steps, int64_t most,
                             const Action& action) {
  for (int64_t i = 0; i < steps; i += most) {
    const int64_t count = smaller(most, steps - i);
    const Step& begin = w.steps.step[first + i];
    const int64_t words = w.steps.step[first + i + count - 1].last + 1 - begin.first;
    action(Part{first + i, count, begin.first, words, begin.segment, i == 0, i + most >= steps});
  }
}

/* The same for one segment after the other. */
template <class Action>
static inline void for_parts_of_segments(const Work& w, int64_t most, const Action& action) {
  const Step* const step = w.steps.step;
  for (int64_t first = 0, end = 0; first < w.steps.count; first = end) {
    while (end < w.steps.count && step[end].segment == step[first].segment) ++end;
    for_parts(w, first, end - first, most, action);
  }
}

template <int kDigits>
static inline void choose_rows(Work* w, const bcq_matrix* m, const Tables* t, int64_t row,
                               int64_t batch) {
  w->m = m, w->t = t, w->row = row, w->batch = batch, w->k = -1;
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

static inline void choose_k_tile(Work* w, int64_t k) {
  if (w->k == k) return;
  w->k = k;
  w->segments = segments_of(w->m, k);
  w->steps = steps_of(w->segments);
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
    choose_k_tile(p, k);
    p->add_k_tile();
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
