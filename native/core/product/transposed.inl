/* Products with the matrix itself: x = y W. Sums are float32, in an order that does not depend on
 * threads. */

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

/* Rows of dy whose sums stand in half of the registers. */
enum { kTogether = kRegisters / 2 * kRegister / kWordBits };

/* dx [batch][32] += dy [batch][64] weights [rows][32]. `kAtOnce` rows of dy share each weight. */
template <int kAtOnce>
static inline void add_weights(const float* dy, const float (*weights)[kWordBits], int64_t rows,
                               float (*dx)[kWordBits]) {
  constexpr int kParts = kWordBits / kRegister;
  RegisterFloats sums[kAtOnce][kParts];
#pragma GCC unroll 8
  for (int b = 0; b < kAtOnce; ++b) {
#pragma GCC unroll 8
    for (int p = 0; p < kParts; ++p) sums[b][p] = load<RegisterFloats>(dx[b] + p * kRegister);
  }
  for (int64_t r = 0; r < rows; ++r) {
#pragma GCC unroll 8
    for (int p = 0; p < kParts; ++p) {
      const RegisterFloats weight = load<RegisterFloats>(weights[r] + p * kRegister);
#pragma GCC unroll 8
      for (int b = 0; b < kAtOnce; ++b) {
        sums[b][p] = multiply_add(dy[b * kTileRows + r] - RegisterFloats{}, weight, sums[b][p]);
      }
    }
  }
#pragma GCC unroll 8
  for (int b = 0; b < kAtOnce; ++b) {
#pragma GCC unroll 8
    for (int p = 0; p < kParts; ++p) store(dx[b] + p * kRegister, sums[b][p]);
  }
}

static void transposed(const bcq_matrix* m, const float* dy, int64_t batch, int64_t word,
                       bcq_type type, void* dx) {
  alignas(64) float sums[kArrangedRows][kWordBits] = {}, weights[kTileRows][kWordBits];
  const int64_t group = group_of_word(m, word);
  TileScales scales = {};
  for (int64_t t = 0; t < row_tiles(m); ++t, dy += batch * kTileRows) {
    const Tile tile = tile_at(m, t);
    load_tile_scales(m, tile, group, &scales);
    for (int64_t r = 0; r < tile.rows; ++r) {
      weights_of_row(tile, r, word, &scales.scale[0][r], kTileRows, scales.offset[r], weights[r]);
    }
    int64_t b = 0;
    for (; b + kTogether <= batch; b += kTogether) {
      add_weights<kTogether>(dy + b * kTileRows, weights, tile.rows, sums + b);
    }
    for (; b < batch; ++b) add_weights<1>(dy + b * kTileRows, weights, tile.rows, sums + b);
  }
  for (int64_t b = 0; b < batch; ++b) {
    from_floats(sums[b], type, word_columns(m, word),
                element(dx, type, b * m->columns + word * kWordBits));
  }
}
