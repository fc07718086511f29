/* The exact product, by planes or by levels. Included inside the namespace of a set, before
 * by_planes.inl and by_levels.inl.
 *
 * What is done in floating point is done as in core/product/multiply.inl, in the same order. */

struct Exact : Work {
  enum { kDigits = 3, kMostRows = kMostBlock / 2 }; /* more gain nothing here */
  /* Of the K tile, what its unit is a factor of: [row of x][row of the matrix]. */
  alignas(64) double total[kMostRows][kTileRows];

  /* By planes: the scales of a group; of a segment the total of a row block, and the sums so far.
   */
  int64_t group;
  alignas(64) double scale[BCQ_MAX_BITS][kTileRows];
  alignas(64) double segment_total[16][kTileRows];
  alignas(64) int32_t plane_sums[BCQ_MAX_BITS][kMostRows][kTileRows];

  /* By levels: of each 16 rows those in each segment, and whether these have one unit. */
  bool by_levels;
  int64_t levels_group; /* of all segments, or -1 */
  Levels levels[kTileRows / 16][kTileWords];
  bool one_unit[kTileRows / 16];

  void start_tile();
  void add_k_tile();
};

typedef void (*Add)(Exact*, const Part&, const RowBlock&, int64_t lane);

static inline bool first_of_k_tile(const Part& part) { return part.step == 0; }
static inline bool last_of_k_tile(const Exact& w, const Part& part) {
  return part.step + part.steps == w.steps.count;
}

/* Adds what a part brings for row `row` of x and 16 rows of the matrix from `lane` on to the K
 * tile's total, and this, with the last part, times the K tile's unit to y. */
template <bool kFirst, bool kLast>
ALWAYS_INLINE static inline void add_to_total(Exact* w, int64_t row, int64_t lane,
                                              const __m512d sum[2]) {
  double *total = w->total[row - w->row] + lane, *y = w->y[row - w->row] + lane;
  for (int i = 0; i < 16; i += 8) {
    const __m512d all = kFirst ? sum[i / 8] : _mm512_load_pd(total + i) + sum[i / 8];
    if (kLast) {
      const double unit = w->t->units[row * w->t->tiles + w->k];
      _mm512_store_pd(y + i, _mm512_load_pd(y + i) + unit * all);
    } else {
      _mm512_store_pd(total + i, all);
    }
  }
}

/* A part of a segment. */
static void add_by_planes(Exact* w, const Part& part);
/* The same for 16 rows of the matrix from `lane` on. */
static void add_strip_by_planes(Exact* w, const Part& part, int64_t lane);

/* The levels of 16 rows of the matrix from `lane` on. */
static void choose_levels(Exact* w, int64_t lane);
/* A part for these, of segments with one unit. */
static void add_strip_by_levels(Exact* w, const Part& part, int64_t lane);

void Exact::start_tile() {
  group = levels_group = -1;
  // For one tile of A, or two planes, the planes take fewer products, and less to make.
  by_levels = blocks[0].tiles > 1 && scaled.tile.planes > 2 && scaled.tile.planes <= kMostLevelBits;
}

/* A of few rows of x stays in the cache for a K tile, whose sums are then finished once. */
static inline int64_t part_steps(const Exact& w) {
  return w.block_count == 1 && w.blocks[0].tiles < 3 ? int64_t{kTileWords} : int64_t{kPartSteps};
}

static void add_by_levels(Exact* w) {
  const Segments& segments = w->segments;
  const int64_t rows = w->scaled.tile.rows, most = part_steps(*w);
  const int64_t group = segments.count == 1 ? segments.segment[0].group : -1;
  if (group < 0 || group != w->levels_group) {
    for (int64_t lane = 0; lane < rows; lane += 16) choose_levels(w, lane);
  }
  w->levels_group = group;
  for_parts(*w, 0, w->steps.count, most, [&](const Part& part) {
    for (int64_t lane = 0; lane < rows; lane += 16) {
      if (w->one_unit[lane / 16]) add_strip_by_levels(w, part, lane);
    }
  });
  for_parts_of_segments(*w, most, [&](const Part& part) {
    for (int64_t lane = 0; lane < rows; lane += 16) {
      if (w->one_unit[lane / 16]) continue;
      // Sums of parts would not be added as those of segments are.
      const bool whole = part.first && part.last && w->levels[lane / 16][part.segment].fits;
      (whole ? add_strip_by_levels : add_strip_by_planes)(w, part, lane);
    }
  });
}

/* The offsets' part of y. */
static void add_offsets(Exact* w) {
  for (int64_t i = 0; i < w->segments.count; ++i) {
    w->scaled.choose_group(w->m, w->segments.segment[i].group);
    for (int64_t row = 0; row < w->batch; ++row) {
      const int64_t at = (w->row + row) * w->t->tiles + w->k;
      add_times(w->t->sums[at * kTileWords + i], w->scaled.offset, w->y[row]);
    }
  }
}

void Exact::add_k_tile() {
  if (m->offset != nullptr) add_offsets(this);
  if (by_levels) return add_by_levels(this);
  for_parts_of_segments(*this, part_steps(*this),
                        [&](const Part& part) { add_by_planes(this, part); });
}
