/* Half-precision numbers, and fields of a few bits, to lanes. Included inside the namespace of a
 * set. */

static inline f32x16 half_to_float(const u16x16& h) { return (f32x16)_mm512_cvtph_ps((__m256i)h); }

static inline u16x16 float_to_half(const f32x16& v) {
  return (u16x16)_mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* Fields of `bits` bits. */
struct Fields {
  __m512i bytes, shifts, mask;

  explicit Fields(int bits) : mask(_mm512_set1_epi32((1 << bits) - 1)) {
    const FieldPlaces& places = kFieldPlaces[bits - 1];
    bytes = _mm512_loadu_si512(places.bytes);
    shifts = _mm512_loadu_si512(places.shifts);
  }

  /* The 16 that begin at `from`; reads 16 bytes. */
  i32x16 read(const uint8_t* from) const {
    const __m512i row = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i*)from));
    const __m512i words = _mm512_permutexvar_epi8(bytes, row);
    return (i32x16)_mm512_and_si512(_mm512_srlv_epi32(words, shifts), mask);
  }
};
