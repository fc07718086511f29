/* The exact product, by planes or by levels. Included inside the namespace of a set.
 *
 * What is done in floating point is done as in core/product/multiply.inl, in the same order. */

struct Exact : Work {
  enum { kDigits = 3, kMostRows = kMostBlock / 2 }; /* more gain nothing here */
  bool by_levels;
  int64_t group; /* of the scales, and levels */
  alignas(64) double scale[BCQ_MAX_BITS][kTileRows];
  Levels levels[4];
  alignas(64) double total[16][kTileRows]; /* of one row block and one segment */
  /* The sums of its parts: by planes, as integers, or by levels. */
  alignas(64) int32_t plane_sums[BCQ_MAX_BITS][kMostRows][kTileRows];
  alignas(64) double level_sums[kMostRows][kTileRows];

  void start_tile();
  int64_t part_words() const;
  void choose_group(int64_t wanted);
  void add_part(const Part& part);
};

/* One plane of 16 rows of the matrix from `lane` on: its sums, times scales, to the total; with the
 * last plane to y. */
static inline void add_plane(Exact* w, const Part& part, const RowBlock& block, int64_t plane,
                             int64_t lane, const int32_t* sums) {
  const __m512d low = _mm512_load_pd(w->scale[plane] + lane);
  const __m512d high = _mm512_load_pd(w->scale[plane] + lane + 8);
  const bool last = plane == w->scaled.tile.planes - 1;
  for (int64_t i = 0; i < block.rows; ++i) {
    __m512i sum = joined(sums, block, i);
    int32_t* before = w->plane_sums[plane][block.first - w->row + i] + lane;
    if (!part.first) sum = _mm512_add_epi32(sum, _mm512_load_si512(before));
    if (!part.last) {
      _mm512_store_si512(before, sum);
      continue;
    }
    double* before_planes = w->total[i] + lane;
    __m512d total[2] = {low * _mm512_cvtepi32_pd(_mm512_castsi512_si256(sum)),
                        high * _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(sum, 1))};
    for (int half = 0; half < 2 && plane > 0; ++half) {
      total[half] = _mm512_load_pd(before_planes + 8 * half) + total[half];
    }
    if (last) {
      add_total(w, part, block.first + i, lane, total);
    } else {
      _mm512_store_pd(before_planes, total[0]);
      _mm512_store_pd(before_planes + 8, total[1]);
    }
  }
}

/* A part for kStrips times 16 rows of the matrix from `lane` on, by planes. */
template <int kA, int kStrips>
static void add_planes(Exact* w, const Part& part, const RowBlock& block, int64_t lane) {
  const Tile& tile = w->scaled.tile;
  for (int64_t p = 0; p < tile.planes; ++p) {
    const uint32_t* words = tile.words + (part.begin * tile.planes + p) * kTileRows + lane;
    const MakeSigns<kStrips> make = {words, tile.planes * kTileRows, part.end - part.begin};
    make_and_multiply<kA, kStrips, kRing>(steps_of(part), a_of(block, part), w->b, make, w->sums);
    for (int i = 0; i < kStrips; ++i) {
      add_plane(w, part, block, p, lane + 16 * i, w->sums + i * kA * 256);
    }
  }
}

/* The sums of 16 rows of the matrix from `lane` on: with the last part of a segment to y. */
template <auto kJoin, bool kLast>
static void finish_levels(Exact* w, const Part& part, const RowBlock& block, int64_t lane) {
  const __m512d unit[2] = {_mm512_load_pd(w->levels[lane / 16].unit),
                           _mm512_load_pd(w->levels[lane / 16].unit + 8)};
  for (int64_t i = 0; i < block.rows; ++i) {
    __m512d sum[2];
    kJoin(w->sums, block, i, sum);
    double* before = w->level_sums[block.first - w->row + i] + lane;
    for (int half = 0; half < 2; ++half) {
      if (!part.first) sum[half] += _mm512_load_pd(before + 8 * half);
      if (kLast) {
        sum[half] *= unit[half];
      } else {
        _mm512_store_pd(before + 8 * half, sum[half]);
      }
    }
    if (kLast) add_total(w, part, block.first + i, lane, sum);
  }
}

/* B of a part for 16 rows of the matrix from `lane` on, by levels, while that of the first row
 * block is multiplied; kPartSteps slots keep it for others. */
template <int kBits, int kA, int kSlots>
static void make_levels_part(Exact* w, const Part& part, const RowBlock& block, int64_t lane) {
  const uint32_t* words = w->scaled.tile.words + part.begin * kBits * kTileRows + lane;
  const MakeLevels<kBits> make(words, part.end - part.begin, w->levels[lane / 16]);
  make_and_multiply<kA, 2, kSlots>(steps_of(part), a_of(block, part), w->b, make, w->sums);
}

template <int kBits>
static void levels_of(Exact* w, int64_t lane) {
  f32x16 scales[kBits];
  for (int p = 0; p < kBits; ++p) scales[p] = scales_of(*w, p, lane);
  make_levels<kBits>(scales, &w->levels[lane / 16]);
}

typedef void (*Add)(Exact*, const Part&, const RowBlock&, int64_t lane);

static constexpr Add kAddStrip[] = {add_planes<1, 1>, add_planes<2, 1>, add_planes<3, 1>};
static constexpr Add kAddStrips[] = {add_planes<1, 4>, add_planes<2, 2>, add_planes<3, 2>};
static constexpr int64_t kStripLanes[] = {64, 32, 32};

/* By the number of planes, whether there are several row blocks, and of tiles of A. */
struct ByLevels {
  void (*levels_of)(Exact*, int64_t lane);
  Add make[2][3];
};
template <int kBits, int kA>
static constexpr Add kMakeOne = make_levels_part<kBits, kA, kRing>;
template <int kBits, int kA>
static constexpr Add kMakeFirst = make_levels_part<kBits, kA, kPartSteps>;
template <int kBits>
static constexpr ByLevels kByLevelsOf = {
    levels_of<kBits>,
    {{kMakeOne<kBits, 1>, kMakeOne<kBits, 2>, kMakeOne<kBits, 3>},
     {kMakeFirst<kBits, 1>, kMakeFirst<kBits, 2>, kMakeFirst<kBits, 3>}}};
static constexpr ByLevels kByLevels[] = {kByLevelsOf<1>, kByLevelsOf<2>, kByLevelsOf<3>,
                                         kByLevelsOf<4>};

typedef void (*MultiplyMade)(int64_t steps, const int8_t* a, const int8_t* b, int32_t* sums);
static constexpr MultiplyMade kMultiplyMade[] = {multiply_made<1, 2>, multiply_made<2, 2>,
                                                 multiply_made<3, 2>};

/* A of few rows of x stays in the cache for a K tile, and sums are finished once. */
int64_t Exact::part_words() const {
  return block_count == 1 && blocks[0].tiles < 3 ? int64_t{kTileWords} : int64_t{kPartWords};
}

void Exact::start_tile() {
  group = -1;
  // For one tile of A, or two planes, the planes take fewer products, and less to make.
  by_levels = blocks[0].tiles > 1 && scaled.tile.planes > 2 && scaled.tile.planes <= kMostLevelBits;
}

void Exact::choose_group(int64_t wanted) {
  if (group == wanted) return;
  group = wanted;
  scaled.choose_group(m, group);
  for (int64_t p = 0; p < scaled.tile.planes; ++p) {
    for (int r = 0; r < kTileRows; r += 8) store(scale[p] + r, load_doubles(scaled.scale[p] + r));
  }
  if (!by_levels) return;
  for (int64_t lane = 0; lane < kTileRows; lane += 16) {
    kByLevels[scaled.tile.planes - 1].levels_of(this, lane);
  }
}

/* A part for 16 rows of the matrix from `lane` on, by levels. */
static void add_by_levels(Exact* w, const Part& part, int64_t lane) {
  const ByLevels& by = kByLevels[w->scaled.tile.planes - 1];
  const Add finish = steps_of(part) > kPartSteps ? finish_levels<join_long, true>
                     : part.last                 ? finish_levels<join_short, true>
                                                 : finish_levels<join_short, false>;
  for (int64_t i = 0; i < w->block_count; ++i) {
    const RowBlock& block = w->blocks[i];
    if (i == 0) {
      by.make[w->block_count > 1][block.tiles - 1](w, part, block, lane);
    } else {
      kMultiplyMade[block.tiles - 1](steps_of(part), a_of(block, part), w->b, w->sums);
    }
    finish(w, part, block, lane);
  }
}

/* The same by planes, for as many rows at a time as there are tiles for, or 16. */
static void add_by_planes(Exact* w, const Part& part, int64_t lane, int64_t end, bool one_strip) {
  for (int64_t i = 0; i < w->block_count; ++i) {
    const RowBlock& block = w->blocks[i];
    const int64_t lanes = one_strip ? 16 : kStripLanes[block.tiles - 1];
    const Add add = (one_strip ? kAddStrip : kAddStrips)[block.tiles - 1];
    for (int64_t at = lane; at < end; at += lanes) add(w, part, block, at);
  }
}

void Exact::add_part(const Part& part) {
  const int64_t rows = divide_up(scaled.tile.rows, 16) * 16;
  if (!by_levels) return add_by_planes(this, part, 0, rows, false);
  for (int64_t lane = 0; lane < rows; lane += 16) {
    if (levels[lane / 16].fits) {
      add_by_levels(this, part, lane);
    } else {
      add_by_planes(this, part, lane, lane + 16, true);
    }
  }
}
