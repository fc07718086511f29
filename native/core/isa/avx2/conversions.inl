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

/* Fields of `bits` bits. */
struct Fields {
  __m256i bytes[2], shifts[2], mask;

  explicit Fields(int bits) : mask(_mm256_set1_epi32((1 << bits) - 1)) {
    const FieldPlaces& places = kFieldPlaces[bits - 1];
    __builtin_memcpy(bytes, places.bytes, sizeof bytes);
    __builtin_memcpy(shifts, places.shifts, sizeof shifts);
  }

  /* The 16 that begin at `from`; reads 16 bytes. */
  i32x16 read(const uint8_t* from) const {
    const __m256i row = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)from));
    i32x16 fields;
    for (int half = 0; half < 2; ++half) {
      const __m256i words = _mm256_shuffle_epi8(row, bytes[half]);
      const __m256i shifted = _mm256_srlv_epi32(words, shifts[half]);
      store((char*)&fields + 32 * half, (i32x8)_mm256_and_si256(shifted, mask));
    }
    return fields;
  }
};
