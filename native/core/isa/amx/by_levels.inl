/* Levels, whose sums are those of all planes. Included inside the namespace of a set, after
 * exact.inl. */

/* The sums of 16 rows of the matrix from `lane` on, to the K tile's total. */
template <auto kJoin, bool kFirst, bool kLast>
static void finish_levels(Exact* w, const Part& part, const RowBlock& block, int64_t lane) {
  const double* const units = w->levels[lane / 16][part.segment].unit;
  const __m512d unit[2] = {_mm512_load_pd(units), _mm512_load_pd(units + 8)};
  for (int64_t i = 0; i < block.rows; ++i) {
    __m512d sum[2];
    kJoin(w->sums, block, i, sum);
    for (int half = 0; half < 2; ++half) sum[half] *= unit[half];
    add_to_total<kFirst, kLast>(w, block.first + i, lane, sum);
  }
}

template <auto kJoin>
static Add finish_of(bool first, bool last) {
  if (first) return last ? finish_levels<kJoin, true, true> : finish_levels<kJoin, true, false>;
  return last ? finish_levels<kJoin, false, true> : finish_levels<kJoin, false, false>;
}

/* B of a part for 16 rows of the matrix from `lane` on, while that of the first row block is
 * multiplied; kPartSteps slots keep it for others. */
template <int kBits, int kA, int kSlots>
static void make_levels_part(Exact* w, const Part& part, const RowBlock& block, int64_t lane) {
  const uint32_t* const words = w->scaled.tile.words + part.word * kBits * kTileRows + lane;
  const MakeLevels<kBits> make = {words, part.words, w->steps.step + part.step,
                                  w->levels[lane / 16]};
  make_and_multiply<kA, 2, kSlots>(part.steps, a_of(*w, block, part), w->b, make, w->sums);
}

/* The scales of 16 rows from `lane` on in a segment's group. */
template <int kBits>
static inline void load_scales(const Exact& w, int64_t segment, int64_t lane, Scales<kBits>* to) {
  const Tile& tile = w.scaled.tile;
  const int64_t group = w.segments.segment[segment].group;
  for (int p = 0; p < kBits; ++p) {
    const void* const from = scales_at(w.m, group, p, tile.first + lane);
    to->set(p, load_some(from, w.m->scale_type, tile.rows - lane));
  }
}

/* Whether a part may go over the segments. */
static inline bool in_pairs(const Steps& steps) {
  for (int64_t i = 0; i + 1 < steps.count; ++i) {
    if (steps.step[i].first == steps.step[i].last) return false;
  }
  return true;
}

/* The levels of 16 rows from `lane` on in all segments, with one unit where they fit that. */
template <int kBits>
static void choose_levels_of(Exact* w, int64_t lane) {
  const int64_t count = w->segments.count;
  Scales<kBits> scales[kTileWords];
  i32x16 unit[kTileWords], least = (i32x16){} + kNoExponent;
  for (int64_t i = 0; i < count; ++i) {
    load_scales(*w, i, lane, &scales[i]);
    unit[i] = scales[i].largest_unit();
    least = unit[i] < least ? unit[i] : least;
    unit[i] = unit[i] == kNoExponent ? (i32x16){} : unit[i];
  }
  least = least == kNoExponent ? (i32x16){} : least;
  Levels* const levels = w->levels[lane / 16];
  bool one_unit = in_pairs(w->steps);
  for (int64_t i = 0; i < count && one_unit; ++i) {
    scales[i].make_levels(least, &levels[i]);
    one_unit = levels[i].fits;
  }
  w->one_unit[lane / 16] = one_unit;
  for (int64_t i = 0; i < count && !one_unit; ++i) scales[i].make_levels(unit[i], &levels[i]);
}

/* By the number of planes, whether there are several row blocks, and of tiles of A. */
struct ByLevels {
  void (*choose)(Exact*, int64_t lane);
  Add make[2][3];
};
template <int kBits, int kA>
static constexpr Add kMakeOne = make_levels_part<kBits, kA, kRing>;
template <int kBits, int kA>
static constexpr Add kMakeFirst = make_levels_part<kBits, kA, kPartSteps>;
template <int kBits>
static constexpr ByLevels kByLevelsOf = {
    choose_levels_of<kBits>,
    {{kMakeOne<kBits, 1>, kMakeOne<kBits, 2>, kMakeOne<kBits, 3>},
     {kMakeFirst<kBits, 1>, kMakeFirst<kBits, 2>, kMakeFirst<kBits, 3>}}};
static constexpr ByLevels kByLevels[] = {kByLevelsOf<1>, kByLevelsOf<2>, kByLevelsOf<3>,
                                         kByLevelsOf<4>};

typedef void (*MultiplyMade)(int64_t steps, const int8_t* a, const int8_t* b, int32_t* sums);
static constexpr MultiplyMade kMultiplyMade[] = {multiply_made<1, 2>, multiply_made<2, 2>,
                                                 multiply_made<3, 2>};

static void choose_levels(Exact* w, int64_t lane) {
  kByLevels[w->scaled.tile.planes - 1].choose(w, lane);
}

static void add_strip_by_levels(Exact* w, const Part& part, int64_t lane) {
  const ByLevels& by = kByLevels[w->scaled.tile.planes - 1];
  const bool first = first_of_k_tile(part), last = last_of_k_tile(*w, part);
  const Add finish = part.steps > kPartSteps ? finish_of<join_long>(first, last)
                                             : finish_of<join_short>(first, last);
  for (int64_t i = 0; i < w->block_count; ++i) {
    const RowBlock& block = w->blocks[i];
    if (i == 0) {
      by.make[w->block_count > 1][block.tiles - 1](w, part, block, lane);
    } else {
      kMultiplyMade[block.tiles - 1](part.steps, a_of(*w, block, part), w->b, w->sums);
    }
    finish(w, part, block, lane);
  }
}
