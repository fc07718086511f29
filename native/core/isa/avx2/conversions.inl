/* Half-precision numbers, and fields of a few bits, to lanes. Included inside the namespace of a
 * set. */

static inline f32x16 half_to_float(const u16x16& h) {
  const f32x8 low = (f32x8)_mm256_cvtph_ps(load<__m128i>(&h));
  const f32x8 high = (f32x8)_mm256_cvtph_ps(load<__m128i>((const char*)&h + 16));
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

static inline u16x16 float_to_half(const f32x16& v) {
  u16x16 h;
  store(&h, _mm256_cvtps_ph(load<__m256>(&v), _MM_FROUND_TO_NEAREST_INT));
  store((char*)&h + 16,
        _mm256_cvtps_ph(load<__m256>((const char*)&v + 32), _MM_FROUND_TO_NEAREST_INT));
  return h;
}

/* The 16 fields that begin at `from`; reads 16 bytes. */
template <int kBits>
static inline i32x16 read_fields(const uint8_t* from) {
  alignas(64) static constexpr FieldPlaces kPlaces = field_places<kBits>();
  const __m256i row = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)from));
  i32x16 fields;
  for (int half = 0; half < 2; ++half) {
    const __m256i* bytes = (const __m256i*)kPlaces.bytes + half;
    const __m256i* shifts = (const __m256i*)kPlaces.shifts + half;
    const __m256i words = _mm256_shuffle_epi8(row, _mm256_load_si256(bytes));
    const __m256i shifted = _mm256_srlv_epi32(words, _mm256_load_si256(shifts));
    store((char*)&fields + 32 * half,
          (i32x8)_mm256_and_si256(shifted, _mm256_set1_epi32((1 << kBits) - 1)));
  }
  return fields;
}
