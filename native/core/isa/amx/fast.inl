/* The fast product: 16-bit inputs times 8-bit levels. Included inside the namespace of a set. */

/* The positive half of the levels of 16 rows as in `Levels`, in units of their largest / 127. */
struct ByteLevels {
  alignas(64) int8_t level[128];
  alignas(64) double unit[16];
};

struct Fast : Work {
  enum { kDigits = 2 };
  int64_t levels_group;
  ByteLevels levels[4];

  void start_tile() { levels_group = -1; }
  void add_k_tile();
  void choose_group(int64_t group);
  void add_part(const Part& part);
};

template <int kBits>
static void byte_levels_of(Fast* w, int64_t lane) {
  f32x16 scales[kBits], largest = {};
  for (int p = 0; p < kBits; ++p) {
    scales[p] = scales_of(*w, p, lane);
    largest += magnitude(scales[p]);
  }
  const f32x16 factor = largest > 0 ? 127 / largest : f32x16{};
  i32x16 levels[1 << (kBits - 1)];
  for (int c = 0; c < 1 << (kBits - 1); ++c) {
    f32x16 level = scales[0];
    for (int p = 1; p < kBits; ++p) level += c >> (kBits - 1 - p) & 1 ? -scales[p] : scales[p];
    levels[c] = nearest(level * factor);
  }
  ByteLevels* to = &w->levels[lane / 16];
  store_levels<kBits>(levels, to->level);
  const f32x16 unit = largest * (1 / 127.0f);
  store(to->unit, widen_low(unit));
  store(to->unit + 8, widen_high(unit));
}

/* Makes B of a part for kStrips times 16 rows. */
template <int kBits, int kStrips>
struct MakeByteLevels {
  static constexpr int kRows = 16 * kStrips;
  const uint32_t* words;    /* of the first of the rows */
  int64_t count;            /* of words */
  const ByteLevels* levels; /* of each strip */

  struct Made {
    const ByteLevels* levels;
    LevelWord<kBits> word[kStrips][kStepWords];

    template <int kRow>
    ALWAYS_INLINE void store_row(int8_t* to) const {
      constexpr int kStrip = kRow / 16, kBit = kRow % 8;
      const LevelWord<kBits>& from = word[kStrip][kRow / 8 % 2];
      const LevelTable<kBits> table(levels[kStrip].level);
      const __m512i index = from.template index<kBit>(rows_of_bytes<kBits>());
      _mm512_store_si512(to + 64 * kRow, table.template entry<kBit>(from, index));
    }
  };

  ALWAYS_INLINE Made operator()(int64_t index) const {
    Made made = {levels, {}};
    for (int s = 0; s < kStrips; ++s) {
      for (int i = 0; i < kStepWords; ++i) {
        made.word[s][i].load(word_of<kBits>(words, index, i, count) + 16 * s);
      }
    }
    return made;
  }
};

/* B of a part for kStrips times 16 rows of the matrix from `lane` on, while that of the first row
 * block is multiplied; kPartSteps slots keep it for others. */
template <int kBits, int kA, int kStrips, int kSlots>
static void make_bytes(Fast* w, const Part& part, int64_t lane) {
  const uint32_t* const words = w->scaled.tile.words + part.word * kBits * kTileRows + lane;
  const MakeByteLevels<kBits, kStrips> make = {words, part.words, &w->levels[lane / 16]};
  make_and_multiply<kA, kStrips, kSlots>(part.steps, a_of(*w, w->blocks[0], part), w->b, make,
                                         w->sums);
}

struct ByBytes {
  void (*levels_of)(Fast*, int64_t lane);
  /* For one tile of A, for two, and for several blocks, which have two. */
  void (*make[3])(Fast*, const Part&, int64_t lane);
};
template <int kBits>
static constexpr ByBytes kByBytesOf = {
    byte_levels_of<kBits>,
    {make_bytes<kBits, 1, 4, kRing>, make_bytes<kBits, 2, 2, kRing>,
     make_bytes<kBits, 2, 2, kPartSteps>}};
static constexpr ByBytes kByBytes[] = {kByBytesOf<1>, kByBytesOf<2>, kByBytesOf<3>, kByBytesOf<4>};

void Fast::choose_group(int64_t group) {
  scaled.choose_group(m, group);
  if (levels_group == group) return;
  levels_group = group;
  for (int64_t lane = 0; lane < kTileRows; lane += 16) {
    kByBytes[scaled.tile.planes - 1].levels_of(this, lane);
  }
}

/* Adds the total of a segment, or of a part, to y, for 16 rows of the matrix from `lane` on. */
static inline void add_total(Fast* w, const Part& part, int64_t row, int64_t lane,
                             const __m512d total[2]) {
  const int64_t at = row * w->t->tiles + w->k;
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

/* Sums of a part, which fit 32 bits, for 16 rows of the matrix from `lane` on: to y. */
static void finish_bytes(Fast* w, const Part& part, const RowBlock& block, int64_t lane,
                         const int32_t* sums) {
  const double* units = w->levels[lane / 16].unit;
  const __m512d unit[2] = {_mm512_load_pd(units), _mm512_load_pd(units + 8)};
  for (int64_t i = 0; i < block.rows; ++i) {
    const __m512i low = _mm512_load_si512(sums + block.places[0][i] * 16);
    const __m512i high = _mm512_load_si512(sums + block.places[1][i] * 16);
    const __m512i sum = _mm512_add_epi32(_mm512_slli_epi32(high, 8), low);
    const __m512d total[2] = {unit[0] * _mm512_cvtepi32_pd(_mm512_castsi512_si256(sum)),
                              unit[1] * _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(sum, 1))};
    add_total(w, part, block.first + i, lane, total);
  }
}

void Fast::add_part(const Part& part) {
  const int64_t tiles = blocks[0].tiles, strips = tiles == 1 ? 4 : 2;
  for (int64_t lane = 0; lane < scaled.tile.rows; lane += 16 * strips) {
    for (int64_t i = 0; i < block_count; ++i) {
      if (i == 0) {
        kByBytes[scaled.tile.planes - 1].make[block_count > 1 ? 2 : tiles - 1](this, part, lane);
      } else {
        multiply_made<2, 2>(part.steps, a_of(*this, blocks[i], part), b, sums);
      }
      for (int64_t s = 0; s < strips; ++s) {
        finish_bytes(this, part, blocks[i], lane + 16 * s, sums + s * tiles * 256);
      }
    }
  }
}

void Fast::add_k_tile() {
  for_parts_of_segments(*this, kPartSteps, [&](const Part& part) {
    choose_group(segments.segment[part.segment].group);
    add_part(part);
  });
}
