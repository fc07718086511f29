/* A row of x -> what every method needs of it: its scale in each K tile, sums, whether it is
 * finite.
 *
 * Inputs are taken 64 at a time, as 16 quads of 4. A quad's lane is 4 p + 2 w + h: byte p of word
 * w, and of that byte the half h (0: low nibble), so that the four quads whose tables share one
 * 64-byte register are lanes 4 apart. */

enum { kQuadInputs = 4, kBlockWords = 2, kBlockInputs = kBlockWords * kWordBits };
enum { kMostBlocks = kTileWords / kBlockWords };

/* Exact: inputs become integers, of which the largest sum of four magnitudes is just below
 * 127 (1 + 2^8 + 2^16): entries have three digits, and so, with signs, have inputs. The 256 entries
 * of a K tile add up to less than 2^31. */
static constexpr double kExactRange = 8355000;
/* The inputs of a K tile by quads, times 2^exponent: [block][input of the quad][lane]. */
struct Quads {
  alignas(64) float input[kMostBlocks][kQuadInputs][kLanes];
  int64_t blocks;
  int exponent;
  float norm; /* the largest sum of the magnitudes of a quad */
};

static inline float power_of_two(int exponent) {
  const uint32_t bits = (uint32_t)(exponent + 127) << 23;
  float result;
  __builtin_memcpy(&result, &bits, sizeof result);
  return result;
}

/* Input k of the two byte pairs' quads: lanes 4 p + h of bytes p, each twice. */
template <int K>
static inline f32x16 every_quad(const f32x16& first, const f32x16& second) {
  return __builtin_shufflevector(first, second, K, K + 4, K, K + 4, K + 8, K + 12, K + 8, K + 12,
                                 K + 16, K + 20, K + 16, K + 20, K + 24, K + 28, K + 24, K + 28);
}

template <int K>
static inline f32x16 quad_inputs(const f32x16 x[4]) {
  const f32x16 word0 = every_quad<K>(x[0], x[1]), word1 = every_quad<K>(x[2], x[3]);
  return __builtin_shufflevector(word0, word1, 0, 1, 18, 19, 4, 5, 22, 23, 8, 9, 26, 27, 12, 13, 30,
                                 31);
}

static inline f32x16 magnitude(const f32x16& v) { return (f32x16)((u32x16)v & 0x7fffffffu); }

static inline f32x16 norms(const float input[kQuadInputs][kLanes]) {
  const f32x16 a = magnitude(load<f32x16>(input[0])) + magnitude(load<f32x16>(input[1]));
  const f32x16 b = magnitude(load<f32x16>(input[2])) + magnitude(load<f32x16>(input[3]));
  return a + b;
}

/* The exponent of the largest magnitude as its bits stand in float32; 255: NaN or Inf. */
static inline int largest_exponent(const float* x, int64_t count) {
  u32x16 largest = {};
  for (int64_t i = 0; i < count; i += kLanes) {
    const u32x16 bits = load<u32x16>(x + i) & 0x7f800000u;
    largest = bits > largest ? bits : largest;
  }
  uint32_t result = 0;
  for (int i = 0; i < kLanes; ++i) result = largest[i] > result ? largest[i] : result;
  return (int)(result >> 23);
}

/* Scales x so that its largest magnitude is from 1 to 2, or to 2^23 where x is denormal: sums
 * neither overflow nor lose digits. */
static inline void to_quads(const float* x, int64_t count, int largest, Quads* quads) {
  quads->exponent = largest == 0 ? 149 : 127 - largest;
  quads->blocks = divide_up(count, kBlockInputs);
  const float scale = power_of_two(quads->exponent / 2);
  const float rest = power_of_two(quads->exponent - quads->exponent / 2);
  f32x16 norm = {};
  for (int64_t i = 0; i < quads->blocks; ++i) {
    f32x16 v[4];
    for (int j = 0; j < 4; ++j) {
      v[j] = load<f32x16>(x + i * kBlockInputs + j * kLanes) * scale * rest;
    }
    float(*input)[kLanes] = quads->input[i];
    store(input[0], quad_inputs<0>(v));
    store(input[1], quad_inputs<1>(v));
    store(input[2], quad_inputs<2>(v));
    store(input[3], quad_inputs<3>(v));
    const f32x16 more = norms(input);
    norm = more > norm ? more : norm;
  }
  quads->norm = 0;
  for (int i = 0; i < kLanes; ++i) quads->norm = norm[i] > quads->norm ? norm[i] : quads->norm;
}

/* What 1 in the sums of digits stands for, where `factor` made the fixed point of the quads. */
static inline double unit_of(const Quads& quads, double steps, float factor) {
  if (quads.norm == 0) return 0;
  const double scale = power_of_two(quads.exponent / 2);
  return steps / factor / scale / power_of_two(quads.exponent - quads.exponent / 2);
}

static inline float exact_factor(const Quads& quads) {
  return quads.norm > 0 ? (float)(kExactRange / quads.norm) : 0;
}

/* The sum in double, in an order that depends on `count` only. */
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

static inline void store_sums(const bcq_matrix* m, const float* x, int64_t tile, double* sums) {
  const Segments segments = segments_of(m, tile);
  for (int64_t i = 0; i < segments.count; ++i) {
    const Segment& s = segments.segment[i];
    const int64_t first = s.begin - tile * kTileWords;
    sums[i] = sum_of(x + first * kWordBits, (s.end - s.begin) * kWordBits);
  }
}

/* The inputs of one K tile of one row of x. */
struct TileInputs {
  alignas(64) float x[kMostBlocks * kBlockInputs]; /* then zeros, to the end of a block */
  Quads quads;
};

/* Reads them, and fills in what all methods need of them: whether they are finite (else they are
 * zeros here, as another way will be taken) and, for an offset, their sums. */
static inline void read_inputs(const bcq_matrix* m, bcq_type type, const void* x_row, int64_t row,
                               int64_t tile, const Tables* t, TileInputs* in) {
  const int64_t start = tile * kTileWords * kWordBits, at = row * t->tiles + tile;
  const int64_t count = smaller(m->columns - start, kTileWords * kWordBits);
  to_floats(element(x_row, type, start), type, count, in->x);
  const int64_t padded = divide_up(count, kBlockInputs) * kBlockInputs;
  for (int64_t i = divide_up(count, kLanes) * kLanes; i < padded; i += kLanes) {
    store(in->x + i, f32x16{});
  }
  int largest = largest_exponent(in->x, padded);
  t->finite[at] = largest < 255;
  if (largest == 255) {
    __builtin_memset(in->x, 0, sizeof in->x);
    largest = 0;
  }
  if (m->offset != nullptr) store_sums(m, in->x, tile, t->sums + at * kTileWords);
  to_quads(in->x, padded, largest, &in->quads);
}
