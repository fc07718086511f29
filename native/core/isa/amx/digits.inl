/* Rows of x -> A: for each step of 64 columns the digits of each row of x, signed bytes with
 * x = d0 + 2^8 d1 + 2^16 d2 in units of the K tile: three where exact, two where fast. Included
 * inside the namespace of a set.
 *
 * Memory: [block][blocks of up to 16 rows of x][K tile][step][tiles]. Digit d of row i of b is row
 * d b + i of so many rows as fill the tiles evenly. A step does not go past the end of a segment;
 * what it then lacks are zeros. */

enum { kMostDigits = 3, kStepWords = 2 };

/* Two digits: inputs become integers of at most 127 (1 + 2^8). */
static constexpr double kFastRange = 127 * 257;

/* One or two words of a segment, which 64 columns of A and B stand for: the first, and the last. */
struct Step {
  int64_t first, last, segment;
};

struct Steps {
  int64_t count;
  Step step[kTileWords];
};

/* The steps of a K tile, in the order that A has them. */
static inline Steps steps_of(const Segments& segments) {
  Steps all;
  all.count = 0;
  for (int64_t i = 0; i < segments.count; ++i) {
    const Segment& s = segments.segment[i];
    for (int64_t word = s.begin; word < s.end; word += kStepWords) {
      all.step[all.count++] = {word, smaller(word + 1, s.end - 1), i};
    }
  }
  return all;
}

/* Room for the steps of a K tile. */
static inline int64_t most_steps(const bcq_matrix* m) {
  const bool even = groups(m) == 1 || m->group_size / kWordBits % kStepWords == 0;
  return even ? kTileWords / kStepWords : kTileWords;
}

/* Up to 16 rows of x that one product of tiles serves. */
struct RowBlock {
  int64_t first, rows;
  int64_t most_rows;        /* that blocks beside it have */
  int64_t tiles, tile_rows; /* of A, in a step */
  int8_t* a;
  int64_t k_stride;                /* bytes of a K tile */
  int32_t places[kMostDigits][16]; /* of digits of rows, where they are found */

  /* Where digit `digit` of row `row` of the block is, in rows of a step's tiles. */
  int64_t place(int64_t digit, int64_t row) const {
    const int64_t at = digit * most_rows + row;
    return at / tile_rows * 16 + at % tile_rows;
  }
};

static inline int64_t row_blocks(int64_t batch) { return divide_up(batch, 16); }

/* Row block `index` of the `batch` rows from `row` on. */
template <int kDigits>
static inline RowBlock row_block(const bcq_matrix* m, const Tables* t, int64_t row, int64_t batch,
                                 int64_t index) {
  RowBlock b;
  b.most_rows = divide_up(batch, row_blocks(batch));
  b.first = row + index * b.most_rows;
  b.rows = smaller(b.most_rows, row + batch - b.first);
  b.tiles = divide_up(kDigits * b.most_rows, 16);
  b.tile_rows = divide_up(kDigits * b.most_rows, b.tiles);
  const int64_t blocks_before = row / t->block * row_blocks(t->block) + index;
  const int64_t most_bytes = most_steps(m) * kDigits * kTileBytes;
  b.a = (int8_t*)t->bytes + blocks_before * t->tiles * most_bytes;
  b.k_stride = most_steps(m) * b.tiles * kTileBytes;
  return b;
}

template <int kDigits>
static void plan(const bcq_matrix* m, Tables* t) {
  const int64_t blocks = divide_up(t->batch, t->block) * row_blocks(t->block);
  t->bytes_size = blocks * t->tiles * most_steps(m) * kDigits * kTileBytes;
}

/* Bytes `digit0` of 32 columns of 32 bits, then bytes `digit1`: place 4 k + t is column 8 t + k. */
struct DigitOrder {
  alignas(64) uint8_t bytes[64];

  constexpr DigitOrder(int digit0, int digit1) : bytes() {
    for (int i = 0; i < 64; ++i) {
      const int k = i % 32 / 4, t = i % 4;
      bytes[i] = (uint8_t)(4 * (8 * t + k) + (i < 32 ? digit0 : digit1));
    }
  }
};

/* The digits of one word's columns, 32 bytes each. */
template <int kDigits>
static inline void store_digits(const float* x, float scale, float rest, float factor,
                                int8_t* const to[kDigits]) {
  const __m512i bias = _mm512_set1_epi32(0x808080);
  __m512i v[2];
  for (int i = 0; i < 2; ++i) {
    const f32x16 scaled = load<f32x16>(x + i * kLanes) * scale * rest;
    v[i] = _mm512_xor_si512(_mm512_add_epi32((__m512i)nearest(scaled * factor), bias), bias);
  }
  static constexpr DigitOrder kLow(0, 1), kHigh(2, 2);
  const __m512i low = _mm512_permutex2var_epi8(v[0], _mm512_load_si512(kLow.bytes), v[1]);
  _mm256_storeu_si256((__m256i*)to[0], _mm512_castsi512_si256(low));
  _mm256_storeu_si256((__m256i*)to[1], _mm512_extracti64x4_epi64(low, 1));
  if constexpr (kDigits == 3) {
    const __m512i high = _mm512_permutex2var_epi8(v[0], _mm512_load_si512(kHigh.bytes), v[1]);
    _mm256_storeu_si256((__m256i*)to[2], _mm512_castsi512_si256(high));
  }
}

static inline float largest_magnitude(const TileInputs& in) {
  f32x16 largest = {};
  for (int64_t i = 0; i < in.quads.blocks * kBlockInputs; i += kLanes) {
    const f32x16 v = magnitude(load<f32x16>(in.x + i));
    largest = v > largest ? v : largest;
  }
  return _mm512_reduce_max_ps((__m512)largest);
}

template <int kDigits>
static void prepare(const bcq_matrix* m, bcq_type type, const void* x_row, int64_t row,
                    int64_t tile, const Tables* t) {
  TileInputs in;
  read_inputs(m, type, x_row, row, tile, t, &in);
  const float scale = power_of_two(in.quads.exponent / 2);
  const float rest = power_of_two(in.quads.exponent - in.quads.exponent / 2);
  float factor = exact_factor(in.quads);
  if (kDigits == 2 && factor > 0) {
    factor = (float)(kFastRange / (largest_magnitude(in) * scale * rest));
  }
  t->units[row * t->tiles + tile] = unit_of(in.quads, 1, factor);
  const int64_t first = row / t->block * t->block, batch = smaller(t->block, t->batch - first);
  const int64_t each = divide_up(batch, row_blocks(batch));
  const RowBlock b = row_block<kDigits>(m, t, first, batch, (row - first) / each);
  int64_t place[kDigits];
  for (int d = 0; d < kDigits; ++d) place[d] = b.place(d, row - b.first) * 64;
  int8_t* a = b.a + tile * b.k_stride;
  const Steps steps = steps_of(segments_of(m, tile));
  for (int64_t i = 0; i < steps.count; ++i, a += b.tiles * kTileBytes) {
    const Step& step = steps.step[i];
    for (int64_t half = 0; half < kStepWords; ++half) {
      int8_t* to[kDigits];
      for (int d = 0; d < kDigits; ++d) {
        to[d] = a + place[d] + 32 * half;
        if (step.first + half > step.last) {
          _mm256_storeu_si256((__m256i*)to[d], _mm256_setzero_si256());
        }
      }
      if (step.first + half > step.last) continue;
      const float* x = in.x + (step.first + half - tile * kTileWords) * kWordBits;
      store_digits<kDigits>(x, scale, rest, factor, to);
    }
  }
}
