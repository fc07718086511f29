/* A row of x -> tables of partial sums. The set's table_sums.inl has store_tables() and
 * store_multipliers(). */

/* Fast: entries are made in 32-bit fixed point, of which the one digit is the upper byte. They stay
 * below 2^31 - 2^23, for the rounding, by a part in 2^20 that covers the rounding errors of float32
 * on the way. */
static constexpr double kFastRange = 127 * 0x1p24 * (1 - 0x1p-20), kFastSteps = 0x1p24;
/* A quad's multiplier is at most this. */
static constexpr float kMostMultiplier = 64;

/* The integers nearest to the inputs times their quad's factor. */
static inline void rounded(const float input[kQuadInputs][kLanes], const f32x16& factor,
                           u32x16 x[kQuadInputs]) {
  for (int k = 0; k < kQuadInputs; ++k) {
    x[k] = (u32x16)nearest(load<f32x16>(input[k]) * factor);
  }
}

/* The 16 signed sums of each quad; entry i has + for input k where bit k of i is 1. `lower` is
 * added to those with - for input 3, `upper` to those with +. */
static inline void signed_sums(const u32x16 x[kQuadInputs], uint32_t lower, uint32_t upper,
                               u32x16 entries[16]) {
  const u32x16 sum = x[0] + x[1], difference = x[0] - x[1];
  const u32x16 pair[4] = {-sum, difference, -difference, sum};
  const u32x16 sum2 = x[2] + x[3], difference2 = x[2] - x[3];
  const u32x16 pair2[4] = {lower - sum2, lower + difference2, upper - difference2, upper + sum2};
  for (int i = 0; i < 16; ++i) entries[i] = pair[i & 3] + pair2[i >> 2];
}

/* Three digits: the sums themselves. Returns the unit. */
static inline double exact_tables(const Quads& quads, uint8_t* bytes) {
  const float factor = exact_factor(quads);
  for (int64_t i = 0; i < quads.blocks; ++i) {
    u32x16 x[kQuadInputs], entries[16];
    rounded(quads.input[i], (f32x16){} + factor, x);
    for (u32x16& v : x) v <<= 8;
    signed_sums(x, 0, 0, entries);
    store_tables<3>(entries, bytes + i * kBlockWords * kTableBytes<3>);
  }
  return unit_of(quads, 1, factor);
}

/* The least integers from 1 to kMostMultiplier that are not below `ratio`. */
static inline f32x16 multipliers(const f32x16& ratio) {
  const f32x16 near = (ratio + 0x1.8p23f) - 0x1.8p23f;
  const f32x16 up = near < ratio ? near + 1.0f : near;
  const f32x16 least = up < 1.0f ? (f32x16){} + 1.0f : up;
  return least > kMostMultiplier ? (f32x16){} + kMostMultiplier : least;
}

/* One digit: the upper 8 bits of sums that were scaled quad by quad. Ties, of which there are many,
 * go up in one half of the entries and down in those opposite to them. Returns the unit. */
static inline double fast_tables(const Quads& quads, uint8_t* bytes, uint32_t* weights) {
  const float per_norm = quads.norm > 0 ? kMostMultiplier / quads.norm : 0;
  const float factor = (float)(kFastRange * per_norm);
  for (int64_t i = 0; i < quads.blocks; ++i) {
    const f32x16 multiplier = multipliers(norms(quads.input[i]) * per_norm);
    u32x16 x[kQuadInputs], entries[16];
    rounded(quads.input[i], factor / multiplier, x);
    signed_sums(x, 1 << 23, (1 << 23) - 1, entries);
    store_tables<1>(entries, bytes + i * kBlockWords * kTableBytes<1>);
    store_multipliers(nearest(multiplier), weights + i * kBlockWords * 2);
  }
  return unit_of(quads, kFastSteps, factor);
}

template <int kDigits>
static void plan(const bcq_matrix* m, Tables* t) {
  const int64_t words = divide_up(words_per_row(m), kBlockWords) * kBlockWords;
  t->row_bytes = words * kTableBytes<kDigits>;
  t->row_weights = kDigits == 1 ? words * 2 : 0;
  t->bytes_size = t->batch * t->row_bytes;
}

template <int kDigits>
static void prepare(const bcq_matrix* m, bcq_type type, const void* x_row, int64_t row,
                    int64_t tile, const Tables* t) {
  TileInputs in;
  read_inputs(m, type, x_row, row, tile, t, &in);
  const int64_t word = tile * kTileWords, at = row * t->tiles + tile;
  uint8_t* bytes = t->bytes + row * t->row_bytes + word * kTableBytes<kDigits>;
  if constexpr (kDigits == 3) {
    t->units[at] = exact_tables(in.quads, bytes);
  } else {
    t->units[at] = fast_tables(in.quads, bytes, t->weights + row * t->row_weights + word * 2);
  }
}

template <int kDigits>
static constexpr ProductMethod kLookUp = {1,
                                          BCQ_MAX_BITS,
                                          1,
                                          kBlockBatch,
                                          kBlockTiles,
                                          512 << 10,
                                          kSignNanoseconds<kDigits>,
                                          plan<kDigits>,
                                          prepare<kDigits>,
                                          multiply<kDigits>};
