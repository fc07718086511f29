/* Vectors of 16 lanes, by the compiler's vector types, and the conversions between number types.
 * Included inside the namespace of an instruction set; BCQ_AVX512 or BCQ_AVX2 is defined there. */

typedef float f32x16 __attribute__((vector_size(64)));
typedef int32_t i32x16 __attribute__((vector_size(64)));
typedef uint32_t u32x16 __attribute__((vector_size(64)));
typedef uint16_t u16x16 __attribute__((vector_size(32)));
typedef int32_t i32x8 __attribute__((vector_size(32)));
typedef float f32x8 __attribute__((vector_size(32)));
typedef uint32_t u32x8 __attribute__((vector_size(32)));
typedef double f64x8 __attribute__((vector_size(64)));
typedef int64_t i64x8 __attribute__((vector_size(64)));
typedef uint64_t u64x8 __attribute__((vector_size(64)));

enum { kLanes = 16 };

template <typename Vector>
static inline Vector load(const void* from) {
  Vector v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}

template <typename Vector>
static inline void store(void* to, const Vector& v) {
  __builtin_memcpy(to, &v, sizeof v);
}

/* a b + c, rounded once where the instruction set can. */
static inline f32x16 multiply_add(f32x16 a, f32x16 b, f32x16 c) {
#if defined(BCQ_AVX512)
  return (f32x16)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#else
  return a * b + c;
#endif
}

/* Lanes 0 to 7, and 8 to 15, as double. (The compiler's own conversions take detours.) */
static inline f64x8 widen_low(const f32x16& v) {
#if defined(BCQ_AVX512)
  return (f64x8)_mm512_cvtps_pd(_mm512_castps512_ps256((__m512)v));
#else
  return __builtin_convertvector(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7), f64x8);
#endif
}
static inline f64x8 widen_high(const f32x16& v) {
#if defined(BCQ_AVX512)
  return (f64x8)_mm512_cvtps_pd(_mm512_extractf32x8_ps((__m512)v, 1));
#else
  return __builtin_convertvector(__builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15),
                                 f64x8);
#endif
}

static inline f32x16 narrow(const f64x8& low, const f64x8& high) {
#if defined(BCQ_AVX512)
  return (f32x16)_mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps((__m512d)low)),
                                    _mm512_cvtpd_ps((__m512d)high), 1);
#else
  const f32x8 a = __builtin_convertvector(low, f32x8), b = __builtin_convertvector(high, f32x8);
  return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#endif
}

static inline f64x8 load_doubles(const int32_t* from) {
#if defined(BCQ_AVX512)
  return (f64x8)_mm512_cvtepi32_pd(_mm256_loadu_si256((const __m256i*)from));
#else
  return __builtin_convertvector(load<i32x8>(from), f64x8);
#endif
}

/* The nearest integers, ties to even; below 2^31 in magnitude. */
static inline i32x16 nearest(const f32x16& v) {
#if defined(BCQ_AVX512)
  return (i32x16)_mm512_cvtps_epi32((__m512)v);
#else
  // Added to 1.5 2^52, the integers stand in the low bits of the sums.
  const u32x8 a = __builtin_convertvector((u64x8)(widen_low(v) + 0x1.8p52), u32x8);
  const u32x8 b = __builtin_convertvector((u64x8)(widen_high(v) + 0x1.8p52), u32x8);
  return (i32x16)__builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
                                         15);
#endif
}

static inline f32x16 half_to_float(const u16x16& h) {
#if defined(BCQ_AVX512)
  return (f32x16)_mm512_cvtph_ps((__m256i)h);
#elif defined(BCQ_AVX2)
  const f32x8 low = (f32x8)_mm256_cvtph_ps(load<__m128i>(&h));
  const f32x8 high = (f32x8)_mm256_cvtph_ps(load<__m128i>((const char*)&h + 16));
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#else
  const u32x16 bits = __builtin_convertvector(h, u32x16);
  const u32x16 sign = (bits & 0x8000u) << 16, rest = bits & 0x7fffu;
  const f32x16 tiny = __builtin_convertvector(rest, f32x16) * 0x1p-24f;  // no denormal floats
  const u32x16 normal = (rest << 13) + (112u << 23), special = (rest << 13) | 0x7f800000u;
  const u32x16 finite = rest < 0x400u ? (u32x16)tiny : normal;
  return (f32x16)((rest >= 0x7c00u ? special : finite) | sign);
#endif
}

static inline u16x16 float_to_half(const f32x16& v) {
#if defined(BCQ_AVX512)
  return (u16x16)_mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(BCQ_AVX2)
  u16x16 h;
  store(&h, _mm256_cvtps_ph(load<__m256>(&v), _MM_FROUND_TO_NEAREST_INT));
  store((char*)&h + 16,
        _mm256_cvtps_ph(load<__m256>((const char*)&v + 32), _MM_FROUND_TO_NEAREST_INT));
  return h;
#else
  const u32x16 bits = (u32x16)v, rest = bits & 0x7fffffffu;
  // Adding .5 leaves a small number's units of 2^-24 in the low bits, rounded.
  const u32x16 tiny = (u32x16)((f32x16)rest + 0.5f) - (126u << 23);
  const u32x16 normal = (rest + 0xfffu + ((rest >> 13) & 1u) - (112u << 23)) >> 13;
  const u32x16 finite = rest < (113u << 23) ? tiny : normal;
  const u32x16 large = rest > 0x7f800000u ? (rest - rest) + 0x7e00u : (rest - rest) + 0x7c00u;
  const u32x16 half = (rest >= 0x477ff000u ? large : finite) | ((bits >> 16) & 0x8000u);
  return __builtin_convertvector(half, u16x16);
#endif
}

static inline f32x16 bfloat_to_float(const u16x16& b) {
  return (f32x16)(__builtin_convertvector(b, u32x16) << 16);
}

static inline u16x16 float_to_bfloat(const f32x16& v) {
  const u32x16 bits = (u32x16)v;
  const u32x16 rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const u32x16 nan = (bits >> 16) | 0x40u;
  return __builtin_convertvector((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded, u16x16);
}

static inline f32x16 load_lanes(const void* from, int32_t type) {
  if (type == BCQ_FLOAT32) return load<f32x16>(from);
  const u16x16 bits = load<u16x16>(from);
  return type == BCQ_FLOAT16 ? half_to_float(bits) : bfloat_to_float(bits);
}

static inline void store_lanes(void* to, int32_t type, const f32x16& v) {
  if (type == BCQ_FLOAT32) return store(to, v);
  store(to, type == BCQ_FLOAT16 ? float_to_half(v) : float_to_bfloat(v));
}

/* The first lanes of up to 16 numbers, then zeros. */
static inline f32x16 load_some(const void* from, int32_t type, int64_t count) {
  if (count >= kLanes) return load_lanes(from, type);
  float lanes[kLanes] = {};
  if (count > 0) __builtin_memcpy(lanes, from, count * type_bytes(type));
  return load_lanes(lanes, type);
}

/* `count` numbers as float32, then zeros up to a multiple of 16. */
static inline void to_floats(const void* from, int32_t type, int64_t count, float* to) {
  for (int64_t i = 0; i < count; i += kLanes) {
    store(to + i, load_some(element(from, type, i), type, count - i));
  }
}

/* The first `count` of the floats as `type`; reads up to a multiple of 16. */
static inline void from_floats(const float* from, int32_t type, int64_t count, void* to) {
  for (int64_t i = 0; i < count; i += kLanes) {
    const f32x16 v = load<f32x16>(from + i);
    if (count - i >= kLanes) {
      store_lanes(element(to, type, i), type, v);
      continue;
    }
    float last[kLanes];
    store_lanes(last, type, v);
    __builtin_memcpy(element(to, type, i), last, (count - i) * type_bytes(type));
  }
}
