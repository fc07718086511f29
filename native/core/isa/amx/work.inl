/* How the work goes: row tiles, K tiles, and parts of them. Included inside the namespace of a set.
 */

/* Rows of x that are multiplied together. */
enum { kMostBlock = 128, kMostRowBlocks = kMostBlock / 16 };

/* Steps of a part, where K tiles are cut: its A stays in the first-level cache while the rows of a
 * tile pass. And slots for B of one row block: more would push A out of that. */
enum { kPartSteps = 8, kPartWords = kPartSteps * kStepWords, kRing = 4 };

/* A part of a segment of a K tile. */
struct Part {
  int64_t k, segment; /* the K tile, and which segment of it */
  int64_t begin, end; /* words */
  int64_t step;       /* the first, of the K tile */
  bool first, last;   /* of the segment */
};

static inline int64_t steps_of(const Part& part) {
  return divide_up(part.end - part.begin, kStepWords);
}

static inline const int8_t* a_of(const RowBlock& block, const Part& part) {
  return block.a + part.k * block.k_stride + part.step * block.tiles * kTileBytes;
}

/* What each method needs for a row tile and a block of rows of x. */
struct Work {
  const bcq_matrix* m;
  const Tables* t;
  ScaledTile scaled;
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

/* Adds the total of a segment, or of a part, to y, for 16 rows of the matrix from `lane` on. */
static inline void add_total(Work* w, const Part& part, int64_t row, int64_t lane,
                             const __m512d total[2]) {
  const int64_t at = row * w->t->tiles + part.k;
  double* y = w->y[row - w->row] + lane;
  for (int i = 0; i < 2; ++i) {
    __m512d result = _mm512_load_pd(y + 8 * i) + w->t->units[at] * total[i];
    if (w->m->offset != nullptr && part.last) {
      result += w->t->sums[at * kTileWords + part.segment] *
                (__m512d)load_doubles(w->scaled.offset + lane + 8 * i);
    }
    _mm512_store_pd(y + 8 * i, result);
  }
}

/* The scales of a plane for 16 rows of the matrix from `lane` on. */
static inline f32x16 scales_of(const Work& w, int64_t plane, int64_t lane) {
  return load<f32x16>(w.scaled.scale[plane] + lane);
}

/* A segment by parts; `part` knows its K tile and what was done of that before. */
template <class Product>
static void add_segment(Product* p, const Segment& segment, Part* part) {
  p->choose_group(segment.group);
  for (part->begin = segment.begin; part->begin < segment.end; part->begin = part->end) {
    part->end = smaller(part->begin + p->part_words(), segment.end);
    part->first = part->begin == segment.begin, part->last = part->end == segment.end;
    p->add_part(*part);
    part->step += steps_of(*part);
  }
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
    const Segments segments = segments_of(p->m, k);
    Part part = {};
    part.k = k;
    for (; part.segment < segments.count; ++part.segment) {
      add_segment(p, segments.segment[part.segment], &part);
    }
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
