/* The gradients of a product. Sums are float32, in an order that does not depend on threads. */

static void arrange(const bcq_matrix* m, bcq_type type, const void* dy, int64_t batch, int64_t tile,
                    float* out) {
  const int64_t first = tile * kTileRows, rows = smaller(kTileRows, m->rows - first);
  for (int64_t b = 0; b < batch; ++b, out += kTileRows) {
    const void* from = element(dy, type, b * m->rows);
    char gathered[kTileRows * sizeof(float)];
    if (m->row_order == nullptr) {
      from = element(from, type, first);
    } else {
      for (int64_t r = 0; r < rows; ++r) {
        __builtin_memcpy(gathered + r * type_bytes(type),
                         element(from, type, original_row(m, first + r)), type_bytes(type));
      }
      from = gathered;
    }
    __builtin_memset(out, 0, kTileRows * sizeof(float));
    to_floats(from, type, rows, out);
  }
}

/* dx [batch][32] += dy [batch][64] weights [rows][32]. `at_once` rows of dy share each weight. */
template <int kAtOnce>
static inline void add_weights(const float* dy, const float (*weights)[kWordBits], int64_t rows,
                               float (*dx)[kWordBits]) {
  f32x16 sums[kAtOnce][2];
  for (int b = 0; b < kAtOnce; ++b) {
    for (int h = 0; h < 2; ++h) sums[b][h] = load<f32x16>(dx[b] + h * kLanes);
  }
  for (int64_t r = 0; r < rows; ++r) {
    for (int h = 0; h < 2; ++h) {
      const f32x16 weight = load<f32x16>(weights[r] + h * kLanes);
#pragma GCC unroll 4
      for (int b = 0; b < kAtOnce; ++b) {
        sums[b][h] = multiply_add((f32x16){} + dy[b * kTileRows + r], weight, sums[b][h]);
      }
    }
  }
  for (int b = 0; b < kAtOnce; ++b) {
    for (int h = 0; h < 2; ++h) store(dx[b] + h * kLanes, sums[b][h]);
  }
}

static void transposed(const bcq_matrix* m, const float* dy, int64_t batch, int64_t word,
                       bcq_type type, void* dx) {
  alignas(64) float sums[kGradientBatch][kWordBits] = {}, weights[kTileRows][kWordBits];
  const int64_t group = group_of_word(m, word);
  TileScales scales = {};
  for (int64_t t = 0; t < row_tiles(m); ++t, dy += batch * kTileRows) {
    const Tile tile = tile_at(m, t);
    load_tile_scales(m, tile, group, &scales);
    for (int64_t r = 0; r < tile.rows; ++r) {
      weights_of_row(tile, r, word, &scales.scale[0][r], kTileRows, scales.offset[r], weights[r]);
    }
    int64_t b = 0;
    for (; b + 4 <= batch; b += 4) add_weights<4>(dy + b * kTileRows, weights, tile.rows, sums + b);
    for (; b < batch; ++b) add_weights<1>(dy + b * kTileRows, weights, tile.rows, sums + b);
  }
  for (int64_t b = 0; b < batch; ++b) {
    from_floats(sums[b], type, word_columns(m, word),
                element(dx, type, b * m->columns + word * kWordBits));
  }
}

/* outer [4 columns][64] = sum over the batch of x dy, for columns c to c + 3 of x [batch][32]. */
static inline void outer_columns(const float (*x)[kWordBits], const float* dy, int64_t batch, int c,
                                 float (*outer)[kTileRows]) {
  constexpr int kVectors = kTileRows / kLanes;
  f32x16 sums[4][kVectors] = {};
  for (int64_t b = 0; b < batch; ++b) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const f32x16 gradient = load<f32x16>(dy + b * kTileRows + v * kLanes);
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) {
        sums[k][v] = multiply_add((f32x16){} + x[b][c + k], gradient, sums[k][v]);
      }
    }
  }
  for (int k = 0; k < 4; ++k) {
    for (int v = 0; v < kVectors; ++v) store(outer[k] + v * kLanes, sums[k][v]);
  }
}

/* Sums over one group: of the outer product, with each plane's signs and without. */
struct SignedSums {
  float plane[BCQ_MAX_BITS][kTileRows], plain[kTileRows];
};

static inline void add_signed(const Tile& tile, int64_t word,
                              const float outer[kWordBits][kTileRows], SignedSums* sums) {
  const uint32_t* words = tile.words + word * tile.planes * kTileRows;
  for (int r = 0; r < kTileRows; r += kLanes) {
    f32x16 plain = load<f32x16>(sums->plain + r);
    for (int c = 0; c < kWordBits; ++c) plain += load<f32x16>(outer[c] + r);
    store(sums->plain + r, plain);
    for (int64_t p = 0; p < tile.planes; ++p) {
      const u32x16 bits = load<u32x16>(words + p * kTileRows + r);
      f32x16 sum = load<f32x16>(sums->plane[p] + r);
      for (int c = 0; c < kWordBits; ++c) {
        sum += with_sign(load<f32x16>(outer[c] + r), bits << (31 - c));
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
  alignas(64) float outer[kWordBits][kTileRows], inputs[kGradientBatch][kWordBits];
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
static inline float signed_sum(const f32x16 values[2], uint32_t word) {
  const u32x16 bits = u32x16{} + word;
  const f32x16 sums = with_sign(values[0], bits << load<u32x16>(kToSign)) +
                      with_sign(values[1], bits << load<u32x16>(kToSign + kLanes));
  float sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += sums[i];
  return sum;
}

static void row_scale_gradient(const bcq_matrix* m, int64_t row, bcq_type type, const void* dout,
                               const int64_t* places, int64_t count, float* dscales,
                               float* doffset) {
  const Tile tile = tile_at(m, row / kTileRows);
  for (int64_t word = 0; word < words_per_row(m); ++word) {
    f32x16 sums[2] = {};
    for (int64_t i = 0; i < count; ++i) {
      float values[kWordBits] = {};
      to_floats(element(dout, type, places[i] * m->columns + word * kWordBits), type,
                word_columns(m, word), values);
      for (int h = 0; h < 2; ++h) sums[h] += load<f32x16>(values + h * kLanes);
    }
    const int64_t group = group_of_word(m, word);
    const uint32_t* words = tile.words + word * tile.planes * kTileRows + row % kTileRows;
    for (int64_t p = 0; p < tile.planes && m->plane_rows[p] > row; ++p) {
      dscales[(group * m->bits + p) * m->rows + row] += signed_sum(sums, words[p * kTileRows]);
    }
    if (doffset != nullptr) doffset[group * m->rows + row] += signed_sum(sums, 0xffffffffu);
  }
}
