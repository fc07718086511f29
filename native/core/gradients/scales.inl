/* Gradients of scales and offsets. Sums are float32, in an order that does not depend on threads.
 */

/* outer [4 columns][64] = sum over the batch of x dy, for columns c to c + 3 of x [batch][32]. */
static inline void outer_columns(const float (*x)[kWordBits], const float* dy, int64_t batch, int c,
                                 float (*outer)[kTileRows]) {
  constexpr int kColumns = 4, kAtOnce = kRegisters / 2 / kColumns;
  for (int row = 0; row < kTileRows; row += kAtOnce * kRegister) {
    RegisterFloats sums[kColumns][kAtOnce] = {};
    for (int64_t b = 0; b < batch; ++b) {
#pragma GCC unroll 4
      for (int v = 0; v < kAtOnce; ++v) {
        const float* const from = dy + b * kTileRows + row + v * kRegister;
        const RegisterFloats gradient = load<RegisterFloats>(from);
#pragma GCC unroll 4
        for (int k = 0; k < kColumns; ++k) {
          sums[k][v] = multiply_add(x[b][c + k] - RegisterFloats{}, gradient, sums[k][v]);
        }
      }
    }
#pragma GCC unroll 4
    for (int k = 0; k < kColumns; ++k) {
#pragma GCC unroll 4
      for (int v = 0; v < kAtOnce; ++v) store(outer[k] + row + v * kRegister, sums[k][v]);
    }
  }
}

/* Sums over one group: of the outer product, with each plane's signs and without. */
struct SignedSums {
  float plane[BCQ_MAX_BITS][kTileRows], plain[kTileRows];
};

static inline void add_signed(const Tile& tile, int64_t word,
                              const float outer[kWordBits][kTileRows], SignedSums* sums) {
  const uint32_t* words = tile.words + word * tile.planes * kTileRows;
  for (int r = 0; r < kTileRows; r += kRegister) {
    RegisterFloats plain = load<RegisterFloats>(sums->plain + r);
    for (int c = 0; c < kWordBits; ++c) plain += load<RegisterFloats>(outer[c] + r);
    store(sums->plain + r, plain);
    for (int64_t p = 0; p < tile.planes; ++p) {
      const RegisterWords bits = load<RegisterWords>(words + p * kTileRows + r);
      RegisterFloats sum = load<RegisterFloats>(sums->plane[p] + r);
      for (int c = 0; c < kWordBits; ++c) {
        sum += with_sign(load<RegisterFloats>(outer[c] + r), bits << (31 - c));
      }
      store(sums->plane[p] + r, sum);
    }
  }
}

/* Adds the sums of a group to the gradients, for the rows that each plane covers. */
static inline void add_gradients(const bcq_matrix* m, const Tile& tile, int64_t group,
                                 const SignedSums& sums, float* dscales, float* doffset) {
  for (int64_t p = 0; p < tile.planes; ++p) {
    float* to = dscales + (group * m->bits + p) * m->rows + tile.first;
    const int64_t rows = smaller(tile.rows, m->plane_rows[p] - tile.first);
    for (int64_t r = 0; r < rows; ++r) to[r] += sums.plane[p][r];
  }
  if (doffset == nullptr) return;
  for (int64_t r = 0; r < tile.rows; ++r) {
    doffset[group * m->rows + tile.first + r] += sums.plain[r];
  }
}

static void scale_gradient(const bcq_matrix* m, bcq_type type, const void* x, const float* dy,
                           int64_t batch, int64_t index, float* dscales, float* doffset) {
  const Tile tile = tile_at(m, index);
  alignas(64) float outer[kWordBits][kTileRows], inputs[kArrangedRows][kWordBits];
  SignedSums sums = {};
  for (int64_t word = 0; word < words_per_row(m); ++word) {
    __builtin_memset(inputs, 0, sizeof inputs);
    for (int64_t b = 0; b < batch; ++b) {
      to_floats(element(x, type, b * m->columns + word * kWordBits), type, word_columns(m, word),
                inputs[b]);
    }
    for (int c = 0; c < kWordBits; c += 4) outer_columns(inputs, dy, batch, c, outer + c);
    add_signed(tile, word, outer, &sums);
    const int64_t group = group_of_word(m, word);
    if (word + 1 < words_per_row(m) && group_of_word(m, word + 1) == group) continue;
    add_gradients(m, tile, group, sums, dscales, doffset);
    sums = {};
  }
}

/* The sum over 32 columns of `values` with their signs in `word`. */
static inline float signed_sum(const float values[kWordBits], uint32_t word) {
  const RegisterWords bits = RegisterWords{} + word;
  float lanes[kLanes], sum = 0;
  for (int i = 0; i < kLanes; i += kRegister) {
    const float* const low = values + i;
    const RegisterFloats a =
        with_sign(load<RegisterFloats>(low), bits << load<RegisterWords>(kToSign + i));
    const RegisterFloats b = with_sign(load<RegisterFloats>(low + kLanes),
                                       bits << load<RegisterWords>(kToSign + kLanes + i));
    store(lanes + i, a + b);
  }
  for (int i = 0; i < kLanes; ++i) sum += lanes[i];
  return sum;
}

/* sums [32] = those of 32 columns from `first` on, over rows of dout. */
static inline void column_sums(const bcq_matrix* m, bcq_type type, const void* dout, int64_t first,
                               int64_t columns, const int64_t* places, int64_t count,
                               float sums[kWordBits]) {
  constexpr int kParts = kWordBits / kRegister;
  RegisterFloats parts[kParts] = {};
  for (int64_t i = 0; i < count; ++i) {
    float values[kWordBits] = {};
    to_floats(element(dout, type, places[i] * m->columns + first), type, columns, values);
#pragma GCC unroll 8
    for (int p = 0; p < kParts; ++p) parts[p] += load<RegisterFloats>(values + p * kRegister);
  }
  for (int p = 0; p < kParts; ++p) store(sums + p * kRegister, parts[p]);
}

static void row_scale_gradient(const bcq_matrix* m, int64_t row, bcq_type type, const void* dout,
                               const int64_t* places, int64_t count, float* dscales,
                               float* doffset) {
  const Tile tile = tile_at(m, row / kTileRows);
  for (int64_t word = 0; word < words_per_row(m); ++word) {
    float sums[kWordBits];
    column_sums(m, type, dout, word * kWordBits, word_columns(m, word), places, count, sums);
    const int64_t group = group_of_word(m, word);
    const uint32_t* words = tile.words + word * tile.planes * kTileRows + row % kTileRows;
    for (int64_t p = 0; p < tile.planes && m->plane_rows[p] > row; ++p) {
      dscales[(group * m->bits + p) * m->rows + row] += signed_sum(sums, words[p * kTileRows]);
    }
    if (doffset != nullptr) doffset[group * m->rows + row] += signed_sum(sums, 0xffffffffu);
  }
}
