/* Weights as float32.
 *
 * A weight is the offset plus the scale of each plane with its sign, plane 0 first: the arithmetic
 * of BinaryCodes.reconstruct(), bit for bit. */

/* Scales and offset of a tile's rows in one group; zeros where there is no row. */
struct TileScales {
  float scale[BCQ_MAX_BITS][kTileRows], offset[kTileRows];
};

static inline void load_tile_scales(const bcq_matrix* m, const Tile& tile, int64_t group,
                                    TileScales* to) {
  for (int64_t p = 0; p < tile.planes; ++p) {
    to_floats(scales_at(m, group, p, tile.first), m->scale_type, tile.rows, to->scale[p]);
  }
  if (m->offset == nullptr) return;
  to_floats(offset_at(m, group, tile.first), m->scale_type, tile.rows, to->offset);
}

/* The same of one row. */
struct RowScales {
  float scale[BCQ_MAX_BITS], offset;
};

static inline float scalar(const void* from, int32_t type) {
  float lanes[kLanes];
  to_floats(from, type, 1, lanes);
  return lanes[0];
}

static inline RowScales load_row_scales(const bcq_matrix* m, int64_t row, int64_t planes,
                                        int64_t group) {
  RowScales scales = {};
  for (int64_t p = 0; p < planes; ++p) {
    scales.scale[p] = scalar(scales_at(m, group, p, row), m->scale_type);
  }
  if (m->offset != nullptr) scales.offset = scalar(offset_at(m, group, row), m->scale_type);
  return scales;
}

/* The weights of a tile's rows in the first `count` columns of a word, [64] each, `stride` apart.
 */
template <int kPlanes>
static void weights_of_planes(const uint32_t* words, const TileScales& scales, int64_t count,
                              int64_t stride, float* weights) {
  for (int64_t c = 0; c < count; ++c, weights += stride) {
    for (int r = 0; r < kTileRows; r += kRegister) {
      RegisterFloats weight = load<RegisterFloats>(scales.offset + r);
      for (int p = 0; p < kPlanes; ++p) {
        const RegisterWords bits = load<RegisterWords>(words + p * kTileRows + r) << (31 - c);
        weight += with_sign(load<RegisterFloats>(scales.scale[p] + r), bits);
      }
      store(weights + r, weight);
    }
  }
}

static inline void weights_by_column(const Tile& tile, int64_t word, const TileScales& scales,
                                     int64_t count, int64_t stride, float* weights) {
  using Function = void (*)(const uint32_t*, const TileScales&, int64_t, int64_t, float*);
  static constexpr Function kByPlanes[BCQ_MAX_BITS + 1] = {
      weights_of_planes<0>, weights_of_planes<1>, weights_of_planes<2>,
      weights_of_planes<3>, weights_of_planes<4>, weights_of_planes<5>,
      weights_of_planes<6>, weights_of_planes<7>, weights_of_planes<8>};
  kByPlanes[tile.planes](tile.words + word * tile.planes * kTileRows, scales, count, stride,
                         weights);
}

/* The weights of row `row` of the tile in one word of columns: [32]. The scales of its planes stand
 * `stride` apart. */
static inline void weights_of_row(const Tile& tile, int64_t row, int64_t word, const float* scales,
                                  int64_t stride, float offset, float weights[kWordBits]) {
  const uint32_t* words = tile.words + word * tile.planes * kTileRows + row;
  for (int c = 0; c < kWordBits; c += kRegister) {
    const RegisterWords shift = load<RegisterWords>(kToSign + c);
    RegisterFloats weight = offset - RegisterFloats{};  // in each lane
    for (int64_t p = 0; p < tile.planes; ++p) {
      const RegisterWords bits = (RegisterWords{} + words[p * kTileRows]) << shift;
      weight += with_sign(scales[p * stride] - RegisterFloats{}, bits);
    }
    store(weights + c, weight);
  }
}

/* What a float32 product gives, column after column: for rows of x that hold NaN or Inf. */
static void plain_product(const bcq_matrix* m, const Tile& tile, bcq_type type, const void* x,
                          float y[kTileRows]) {
  f32x16 sums[kTileRows / kLanes] = {};
  TileScales scales = {};
  int64_t group = -1;
  for (int64_t word = 0; word < words_per_row(m); ++word) {
    if (group_of_word(m, word) != group) {
      group = group_of_word(m, word);
      load_tile_scales(m, tile, group, &scales);
    }
    float weights[kWordBits][kTileRows], values[kWordBits];
    weights_by_column(tile, word, scales, kWordBits, kTileRows, weights[0]);
    to_floats(element(x, type, word * kWordBits), type, word_columns(m, word), values);
    for (int64_t c = 0; c < word_columns(m, word); ++c) {
      for (int i = 0; i < kTileRows / kLanes; ++i) {
        sums[i] += values[c] * load<f32x16>(weights[c] + i * kLanes);
      }
    }
  }
  __builtin_memcpy(y, sums, sizeof sums);
}

/* Writes a number for each row of a tile to where the rows are in `to` [rows], rounded to its type.
 */
static inline void store_rows(const bcq_matrix* m, const Tile& tile, const float from[kTileRows],
                              bcq_type type, void* to) {
  if (m->row_order == nullptr) {
    return from_floats(from, type, tile.rows, element(to, type, tile.first));
  }
  float values[kTileRows];  // of the type; large enough for all
  from_floats(from, type, kTileRows, values);
  const int64_t bytes = type_bytes(type);
  for (int64_t i = 0; i < tile.rows; ++i) {
    __builtin_memcpy(element(to, type, original_row(m, tile.first + i)), element(values, type, i),
                     bytes);
  }
}
