/* Planes -> B: the weights themselves. Included inside the namespace of a set.
 *
 * The levels of a row, which are sums of its scales with either sign, are integers times a power of
 * two, their unit. Where these have at most 16 bits, as scales of half precision mostly do, a
 * weight is two signed bytes, 255 hi + lo, and six products of tiles serve all planes. The sums are
 * then what the planes' sums times their scales add up to, without an error, as that is in double.
 * Where one unit does for all segments of a K tile, their sums are one sum. */

enum { kMostLevelBits = 4, kMostLevel = 127 * 255 + 127 };

/* The positive half of the levels of 16 rows, in one group: that of the plane 0 sign +. Level c
 * has scale p with - where bit `bits` - 1 - p of c is 1; it is entry 2^(bits - 1) row + c, or, of 4
 * bits, 4 row + c % 4 of the first 64 or of the last. */
struct Levels {
  alignas(64) int8_t high[128], low[128];
  alignas(64) double unit[16];
  bool fits; /* else there are none */
};

static constexpr int32_t kNoExponent = 1 << 20; /* of 0 */

/* Magnitudes as odd integers times 2^exponent; 0 has one of its own. */
static inline void split_scale(const f32x16& scale, f32x16* mantissa, i32x16* exponent) {
  const i32x16 bits = (i32x16)scale & 0x7fffffff, field = bits >> 23;
  const i32x16 normal = field > 0;
  const i32x16 whole = (bits & 0x7fffff) | (normal & (1 << 23));
  const i32x16 lowest = whole & -whole;
  const f32x16 as_float = (f32x16)_mm512_cvtepi32_ps((__m512i)lowest);
  const i32x16 zeros = (((i32x16)as_float >> 23) - 127);  // below the lowest bit
  *mantissa = (f32x16)_mm512_cvtepi32_ps((__m512i)(whole >> (zeros & 31)));
  const i32x16 found = (field - (normal & 1)) - 149 + zeros;
  *exponent = whole == 0 ? (i32x16){} + kNoExponent : found;
}

/* values [2^(bits - 1)], each of 16 rows -> bytes in that order */
template <int kBits>
static inline void store_levels(const i32x16* values, int8_t* to) {
  constexpr int kCount = 1 << (kBits - 1);
  i32x16 joined[2] = {};
  for (int c = 0; c < kCount; ++c) joined[c / 4] |= (values[c] & 255) << (8 * (c % 4));
  if constexpr (kBits == 1)
    _mm_storeu_si128((__m128i*)to, _mm512_cvtepi32_epi8((__m512i)joined[0]));
  if constexpr (kBits == 2) {
    _mm256_storeu_si256((__m256i*)to, _mm512_cvtepi32_epi16((__m512i)joined[0]));
  }
  if constexpr (kBits >= 3) store(to, joined[0]);
  if constexpr (kBits == 4) store(to + 64, joined[1]);
}

static inline f32x16 power_of_two(const i32x16& exponent) {
  const i32x16 most = exponent < 127 ? exponent : (i32x16){} + 127;
  return (f32x16)((most + 127) << 23);
}

static inline void store_units(const i32x16& exponent, double* to) {
  const __m512i field = (__m512i)(exponent + 1023);
  for (int i = 0; i < 2; ++i) {
    const __m256i half =
        i == 0 ? _mm512_castsi512_si256(field) : _mm512_extracti64x4_epi64(field, 1);
    _mm512_store_si512(to + 8 * i, _mm512_slli_epi64(_mm512_cvtepi32_epi64(half), 52));
  }
}

/* The scales of 16 rows in one group. */
template <int kBits>
struct Scales {
  f32x16 scale[kBits], mantissa[kBits];
  i32x16 exponent[kBits];

  void set(int p, const f32x16& value) {
    scale[p] = value;
    split_scale(value, &mantissa[p], &exponent[p]);
  }

  /* The exponent of the largest unit. */
  i32x16 largest_unit() const {
    i32x16 lowest = exponent[0];
    for (int p = 1; p < kBits; ++p) lowest = exponent[p] < lowest ? exponent[p] : lowest;
    return lowest;
  }

  /* The magnitude of a scale in a unit that is not too large. */
  f32x16 magnitude_in(const i32x16& unit, int p) const {
    return mantissa[p] * power_of_two(exponent[p] == kNoExponent ? (i32x16){} : exponent[p] - unit);
  }

  /* Whether the levels of all rows then have at most 16 bits. */
  bool fit(const i32x16& unit) const {
    f32x16 sum = {};
    i32x16 fits = (i32x16){} - 1;
    for (int p = 0; p < kBits; ++p) {
      sum += magnitude_in(unit, p);
      fits &= ((i32x16)scale[p] & 0x7f800000) != 0x7f800000;
    }
    fits &= sum <= (float)kMostLevel;
    return _mm512_movepi32_mask((__m512i)fits) == 0xffff;
  }

  void make_levels(const i32x16& unit, Levels* levels) const {
    levels->fits = fit(unit);
    if (!levels->fits) return;
    i32x16 whole[kBits];
    for (int p = 0; p < kBits; ++p) {
      const i32x16 sign = (i32x16)scale[p] >> 31, value = nearest(magnitude_in(unit, p));
      whole[p] = (value ^ sign) - sign;
    }
    i32x16 high[1 << (kBits - 1)], low[1 << (kBits - 1)];
    for (int c = 0; c < 1 << (kBits - 1); ++c) {
      i32x16 value = whole[0];
      for (int p = 1; p < kBits; ++p) value += c >> (kBits - 1 - p) & 1 ? -whole[p] : whole[p];
      high[c] = nearest((f32x16)_mm512_cvtepi32_ps((__m512i)value) * (1 / 255.0f));
      low[c] = value - 255 * high[c];
    }
    store_levels<kBits>(high, levels->high);
    store_levels<kBits>(low, levels->low);
    store_units(unit, levels->unit);
  }
};

/* The signs of 16 rows of one word, as indices of levels and masks of signs.
 *
 * The index of a level has a bit for each plane but the first: whether its sign differs from that
 * one's. Bits of two planes stand in pairs, so that a shift brings the pair of column 8 t + k down.
 */
template <int kBits>
struct LevelWord {
  __m512i first;
  __m512i pairs[2]; /* of the last two planes' bits, of even and of odd columns */
  __m512i third;    /* 4 bits: of the plane before those */

  ALWAYS_INLINE void load(const uint32_t* from) {
    first = _mm512_loadu_si512(from);
    const auto differs = [&](int plane) ALWAYS_INLINE {
      return _mm512_xor_si512(first, _mm512_loadu_si512(from + plane * kTileRows));
    };
    const __m512i even = _mm512_set1_epi8(0x55);
    if constexpr (kBits == 2) {
      const __m512i last = differs(1);
      pairs[0] = last, pairs[1] = _mm512_srli_epi32(last, 1);
    }
    if constexpr (kBits >= 3) {
      const __m512i upper = differs(kBits - 2), lower = differs(kBits - 1);
      // even ? lower : upper of the next column
      pairs[0] = _mm512_ternarylogic_epi32(even, lower, _mm512_slli_epi32(upper, 1), 0xca);
      pairs[1] = _mm512_ternarylogic_epi32(even, _mm512_srli_epi32(lower, 1), upper, 0xca);
    }
    if constexpr (kBits == 4) third = differs(1);
    for (int p = 0; p < kBits; ++p) {
      _mm_prefetch((const char*)(from + (kWordsAhead * kBits + p) * kTileRows), _MM_HINT_T0);
    }
  }

  /* The entry of column 8 t + kBit, for each byte; `row`: that of level 0 in the byte's row. */
  template <int kBit>
  ALWAYS_INLINE __m512i index(__m512i row) const {
    if constexpr (kBits == 1) return row;
    const __m512i mask = _mm512_set1_epi8(kBits == 2 ? 1 : 3);
    const __m512i pair = _mm512_srli_epi32(pairs[kBit % 2], kBit / 2 * 2);
    return _mm512_ternarylogic_epi32(pair, mask, row, 0xea);  // (a & b) | c
  }

  /* 4 bits: whether it is one of the last 64 entries. */
  template <int kBit>
  ALWAYS_INLINE __mmask64 last() const {
    return kBits < 4 ? 0 : _mm512_test_epi8_mask(third, _mm512_set1_epi8(char(1 << kBit)));
  }

  /* Where the first sign is -. */
  template <int kBit>
  ALWAYS_INLINE __mmask64 minus() const {
    return _mm512_testn_epi8_mask(first, _mm512_set1_epi8(char(1 << kBit)));
  }
};

/* A table of 16 rows' levels. */
template <int kBits>
struct LevelTable {
  __m512i half[2];

  explicit LevelTable(const int8_t* from) {
    half[0] = _mm512_load_si512(from), half[1] = _mm512_load_si512(from + 64);
  }

  /* Of column 8 t + kBit, for each byte, the level that its index chooses, or its opposite. */
  template <int kBit>
  ALWAYS_INLINE __m512i entry(const LevelWord<kBits>& word, __m512i index) const {
    __m512i level = _mm512_permutexvar_epi8(index, half[0]);
    if constexpr (kBits == 4) {
      level = _mm512_mask_permutexvar_epi8(level, word.template last<kBit>(), index, half[1]);
    }
    const __mmask64 minus = word.template minus<kBit>();
    return _mm512_mask_sub_epi8(level, minus, _mm512_setzero_si512(), level);
  }
};

/* Of each byte of 16 rows, the entry of the row's level 0. */
template <int kBits>
static inline __m512i rows_of_bytes() {
  return _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                            _mm512_set1_epi32(0x01010101 << (kBits < 4 ? kBits - 1 : 2)));
}

/* Word `half` of a part's step `index`; where there is none, which digits of 0 multiply, the one
 * before. (Computed: to load it would wait for the stores of B, whose addresses are alike.) */
template <int kBits>
ALWAYS_INLINE static inline const uint32_t* word_of(const uint32_t* words, int64_t index, int half,
                                                    int64_t count) {
  return words + smaller(index * kStepWords + half, count - 1) * kBits * kTileRows;
}

/* Makes B of steps for 16 rows, high bytes and then low ones. */
template <int kBits>
struct MakeLevels {
  static constexpr int kRows = 16;
  const uint32_t* words; /* of the first of the rows */
  int64_t count;         /* of words */
  const Step* steps;
  const Levels* levels; /* by segment */

  struct Made {
    LevelTable<kBits> high, low;
    LevelWord<kBits> word[kStepWords];

    template <int kRow>
    ALWAYS_INLINE void store_row(int8_t* to) const {
      const LevelWord<kBits>& from = word[kRow / 8];
      const __m512i index = from.template index<kRow % 8>(rows_of_bytes<kBits>());
      _mm512_store_si512(to + 64 * kRow, high.template entry<kRow % 8>(from, index));
      _mm512_store_si512(to + kTileBytes + 64 * kRow, low.template entry<kRow % 8>(from, index));
    }
  };

  ALWAYS_INLINE Made operator()(int64_t index) const {
    const Step& step = steps[index];
    Made made = {LevelTable<kBits>(levels[step.segment].high),
                 LevelTable<kBits>(levels[step.segment].low),
                 {}};
    for (int i = 0; i < kStepWords; ++i) made.word[i].load(word_of<kBits>(words, index, i, count));
    return made;
  }
};

/* 255 high + low of 16 rows, for row `row` of a block, as two times 8 doubles, which hold them
 * without an error. Short: of kPartSteps steps at most, for which those of each digit fit 32 bits.
 */
static inline void join_short(const int32_t* sums, const RowBlock& block, int64_t row,
                              __m512d joined[2]) {
  __m512i digit[3];
  for (int d = 0; d < 3; ++d) {
    const int32_t* at = sums + block.places[d][row] * 16;
    const __m512i high = _mm512_load_si512(at);
    const __m512i low = _mm512_load_si512(at + block.tiles * 256);
    digit[d] = _mm512_add_epi32(_mm512_sub_epi32(_mm512_slli_epi32(high, 8), high), low);
  }
  const __m512d by = _mm512_set1_pd(256);
  for (int i = 0; i < 2; ++i) {
    const auto half = [&](int d) {
      return _mm512_cvtepi32_pd(i == 0 ? _mm512_castsi512_si256(digit[d])
                                       : _mm512_extracti64x4_epi64(digit[d], 1));
    };
    joined[i] = _mm512_fmadd_pd(_mm512_fmadd_pd(half(2), by, half(1)), by, half(0));
  }
}

static inline void join_long(const int32_t* sums, const RowBlock& block, int64_t row,
                             __m512d joined[2]) {
  const __m512d by = _mm512_set1_pd(256), high_by = _mm512_set1_pd(255);
  for (int i = 0; i < 2; ++i) {
    const auto of_digits = [&](const int32_t* from) {
      const auto digit = [&](int d) {
        return (__m512d)load_doubles(from + block.places[d][row] * 16 + 8 * i);
      };
      return _mm512_fmadd_pd(_mm512_fmadd_pd(digit(2), by, digit(1)), by, digit(0));
    };
    const __m512d high = of_digits(sums), low = of_digits(sums + block.tiles * 256);
    joined[i] = _mm512_fmadd_pd(high, high_by, low);
  }
}
