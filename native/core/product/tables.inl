/* A row of x -> tables of partial sums. Included inside the namespace of an instruction set, after
 * lanes.inl and that set's lookup file, which has store_tables() and store_multipliers().
 *
 * Inputs are taken 64 at a time, as 16 quads of 4. A quad's lane is 4 p + 2 w + h: byte p of word
 * w, and of that byte the half h (0: low nibble), so that the four quads whose tables share one
 * 64-byte register are lanes 4 apart. */

enum { kQuadInputs = 4, kBlockWords = 2, kBlockInputs = kBlockWords * kWordBits };

/* Exact: the largest sum of a quad in a K tile stands for this many units, 2^23 - 1. */
static constexpr double kExactRange = 0x7fffff;
/* Fast: the same for one digit, and the most that a multiplier of a quad may be. */
static constexpr double kFastRange = 127, kMostMultiplier = 64;
/* Entries are made in 32-bit fixed point with these many units of it in theirs. */
static constexpr double kExactSteps = 0x1p8, kFastSteps = 0x1p24;

/* Inputs of 16 quads: input[k] has each quad's element k. */
struct Quads {
  f32x16 input[kQuadInputs];
};

/* Input k of the two byte pairs' quads: lanes 4 p + h of bytes p, each twice. */
template <int k>
static inline f32x16 every_quad(const f32x16& first, const f32x16& second) {
  return __builtin_shufflevector(first, second, k, k + 4, k, k + 4, k + 8, k + 12, k + 8, k + 12,
                                 k + 16, k + 20, k + 16, k + 20, k + 24, k + 28, k + 24, k + 28);
}

template <int k>
static inline f32x16 quad_inputs(const f32x16 x[4]) {
  const f32x16 word0 = every_quad<k>(x[0], x[1]), word1 = every_quad<k>(x[2], x[3]);
  return __builtin_shufflevector(word0, word1, 0, 1, 18, 19, 4, 5, 22, 23, 8, 9, 26, 27, 12, 13,
                                 30, 31);
}

static inline Quads load_quads(const float* from) {
  f32x16 x[4];
  for (int i = 0; i < 4; ++i) x[i] = load<f32x16>(from + kLanes * i);
  return {{quad_inputs<0>(x), quad_inputs<1>(x), quad_inputs<2>(x), quad_inputs<3>(x)}};
}

/* Sums of magnitudes, in double: nothing overflows. */
static inline void quad_norms(const Quads& quads, f64x8* low, f64x8* high) {
  f32x16 magnitude[kQuadInputs];
  for (int k = 0; k < kQuadInputs; ++k) {
    magnitude[k] = (f32x16)((u32x16)quads.input[k] & 0x7fffffffu);
  }
  *low = (widen_low(magnitude[0]) + widen_low(magnitude[1])) +
         (widen_low(magnitude[2]) + widen_low(magnitude[3]));
  *high = (widen_high(magnitude[0]) + widen_high(magnitude[1])) +
          (widen_high(magnitude[2]) + widen_high(magnitude[3]));
}

static inline double largest_norm(const float* x, int64_t count) {
  f64x8 largest = {};
  for (int64_t i = 0; i < count; i += kBlockInputs) {
    f64x8 low, high;
    quad_norms(load_quads(x + i), &low, &high);
    const f64x8 norm = low > high ? low : high;
    largest = norm > largest ? norm : largest;
  }
  double result = 0;
  for (int i = 0; i < 8; ++i) result = largest[i] > result ? largest[i] : result;
  return result;
}

/* The 16 signed sums of each quad, times its factor, in 32-bit fixed point with an excess of 2^31;
 * entry i has + for input k where bit k of i is 1. `rounding` is added to all. */
static inline void signed_sums(const Quads& quads, const f64x8& factor_low,
                               const f64x8& factor_high, uint32_t rounding, u32x16 entries[16]) {
  u32x16 x[kQuadInputs];
  for (int k = 0; k < kQuadInputs; ++k) {
    const u32x8 low = nearest(widen_low(quads.input[k]) * factor_low);
    const u32x8 high = nearest(widen_high(quads.input[k]) * factor_high);
    x[k] = __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  }
  const u32x16 sum = x[0] + x[1], difference = x[0] - x[1];
  const u32x16 pair[4] = {-sum, difference, -difference, sum};
  const u32x16 sum2 = x[2] + x[3], difference2 = x[2] - x[3];
  const uint32_t excess = 0x80000000u + rounding;
  const u32x16 pair2[4] = {excess - sum2, excess + difference2, excess - difference2,
                           excess + sum2};
  for (int i = 0; i < 16; ++i) entries[i] = pair[i & 3] + pair2[i >> 2];
}

/* The least integers from 1 to kMostMultiplier that are not below `ratio`. */
static inline f64x8 multipliers(const f64x8& ratio) {
  const f64x8 near = (ratio + 0x1.8p52) - 0x1.8p52;
  const f64x8 up = near < ratio ? near + 1.0 : near;
  const f64x8 least = up < 1.0 ? (f64x8){} + 1.0 : up;
  return least > kMostMultiplier ? (f64x8){} + kMostMultiplier : least;
}

/* Three digits: the upper 24 bits of the sums. Returns the unit. */
static inline double exact_tables(const float* x, int64_t count, uint8_t* bytes) {
  const double norm = largest_norm(x, count);
  const f64x8 factor = (f64x8){} + (norm > 0 ? kExactRange * kExactSteps / norm : 0);
  for (int64_t i = 0; i < count; i += kBlockInputs) {
    u32x16 entries[16];
    signed_sums(load_quads(x + i), factor, factor, 1u << 7, entries);
    store_tables<3>(entries, bytes + i / kWordBits * kTableBytes<3>);
  }
  return norm / kExactRange;
}

/* One digit: the upper 8 bits of sums that were scaled quad by quad. Returns the unit. */
static inline double fast_tables(const float* x, int64_t count, uint8_t* bytes,
                                 uint32_t* weights) {
  const double norm = largest_norm(x, count);
  const double per_norm = norm > 0 ? kMostMultiplier / norm : 0;
  const f64x8 factor = (f64x8){} + per_norm * (kFastRange * kFastSteps);
  for (int64_t i = 0; i < count; i += kBlockInputs) {
    const Quads quads = load_quads(x + i);
    f64x8 low, high;
    quad_norms(quads, &low, &high);
    const f64x8 low_multiplier = multipliers(low * per_norm);
    const f64x8 high_multiplier = multipliers(high * per_norm);
    u32x16 entries[16];
    signed_sums(quads, factor / low_multiplier, factor / high_multiplier, 1u << 23, entries);
    uint32_t multiplier[kLanes];
    store(multiplier, nearest(low_multiplier));
    store(multiplier + 8, nearest(high_multiplier));
    const int64_t word = i / kWordBits;
    store_tables<1>(entries, bytes + word * kTableBytes<1>);
    store_multipliers(multiplier, weights + word * 2);
  }
  return norm / (kFastRange * kMostMultiplier);
}

/* Whether all are finite. */
static inline bool all_finite(const float* x, int64_t count) {
  i32x16 special = {};
  for (int64_t i = 0; i < count; i += kLanes) {
    special |= (load<u32x16>(x + i) & 0x7f800000u) == 0x7f800000u;
  }
  for (int i = 0; i < kLanes; ++i) {
    if (special[i]) return false;
  }
  return true;
}

/* The sum in double, in an order that depends on `count` only; a multiple of 32. */
static inline double sum_of(const float* x, int64_t count) {
  f64x8 sum = {};
  for (int64_t i = 0; i < count; i += kLanes) {
    const f32x16 v = load<f32x16>(x + i);
    sum += widen_low(v) + widen_high(v);
  }
  double result = 0;
  for (int i = 0; i < 8; ++i) result += sum[i];
  return result;
}

static void prepare(const bcq_matrix* m, bcq_type type, const void* x_row, int64_t row,
                    int64_t tile, const Tables* t) {
  alignas(64) float x[kMostTileWords * kWordBits + kBlockInputs] = {};
  const int64_t start = tile * t->tile_words;
  const int64_t end = smaller(start + t->tile_words, words_per_row(m));
  const int64_t count = smaller(m->columns - start * kWordBits, (end - start) * kWordBits);
  to_floats(element(x_row, type, start * kWordBits), type, count, x);
  const int64_t at = row * t->tiles + tile;
  t->finite[at] = all_finite(x, count);
  if (!t->finite[at]) __builtin_memset(x, 0, sizeof x);
  if (m->offset != nullptr) {
    double* sums = t->sums + at * kMostTileWords;
    for (int64_t word = start; word < end;) {
      const Segment s = segment_at(m, word, end);
      *sums++ = sum_of(x + (word - start) * kWordBits, (s.end - word) * kWordBits);
      word = s.end;
    }
  }
  if (t->precision == BCQ_EXACT) {
    t->units[at] = exact_tables(x, count, t->bytes + row * t->row_bytes + start * kTableBytes<3>);
  } else {
    t->units[at] = fast_tables(x, count, t->bytes + row * t->row_bytes + start * kTableBytes<1>,
                               t->weights + row * t->row_weights + start * 2);
  }
}
