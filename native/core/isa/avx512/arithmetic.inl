/* Arithmetic of 16 lanes. Included inside the namespace of a set. */

/* Lanes 0 to 7, and 8 to 15, as double. (The compiler's own conversions take detours.) */
static inline f64x8 widen_low(const f32x16& v) {
  return (f64x8)_mm512_cvtps_pd(_mm512_castps512_ps256((__m512)v));
}
static inline f64x8 widen_high(const f32x16& v) {
  return (f64x8)_mm512_cvtps_pd(_mm512_extractf32x8_ps((__m512)v, 1));
}

static inline f32x16 narrow(const f64x8& low, const f64x8& high) {
  return (f32x16)_mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps((__m512d)low)),
                                    _mm512_cvtpd_ps((__m512d)high), 1);
}

static inline f64x8 load_doubles(const int32_t* from) {
  return (f64x8)_mm512_cvtepi32_pd(_mm256_loadu_si256((const __m256i*)from));
}
static inline f64x8 load_doubles(const float* from) {
  return (f64x8)_mm512_cvtps_pd(_mm256_loadu_ps(from));
}

/* The nearest integers, ties to even; below 2^31 in magnitude. */
static inline i32x16 nearest(const f32x16& v) { return (i32x16)_mm512_cvtps_epi32((__m512)v); }
