/* Half-precision numbers, and fields of a few bits, to lanes. Included inside the namespace of a
 * set. */

static inline f32x16 half_to_float(const u16x16& h) { return (f32x16)_mm512_cvtph_ps((__m256i)h); }

static inline u16x16 float_to_half(const f32x16& v) {
  return (u16x16)_mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* The 16 fields that begin at `from`; reads 16 bytes. */
template <int kBits>
static inline i32x16 read_fields(const uint8_t* from) {
  alignas(64) static constexpr FieldPlaces kPlaces = field_places<kBits>();
  const __m512i row = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i*)from));
  const __m512i words = _mm512_permutexvar_epi8(_mm512_load_si512(kPlaces.bytes), row);
  const __m512i shifted = _mm512_srlv_epi32(words, _mm512_load_si512(kPlaces.shifts));
  return (i32x16)_mm512_and_si512(shifted, _mm512_set1_epi32((1 << kBits) - 1));
}
