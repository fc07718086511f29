/* Sums of table entries. Included inside the namespace of a set.
 *
 * Tables of 16 bytes, one for each nibble of a word: [word][half][piece][4 bytes][16 entries]. The
 * words of 32 rows are turned into four registers, one for each of their bytes, so that all bytes
 * of a register look into one table.
 *
 * The 24 bits of three digits stand in four pieces of six bits, from 0 to 63, the uppermost plus
 * 32: the sum of four entries is a byte then, and only one in four has to be widened. */

template <int kDigits>
static constexpr int kBatchAtOnce = 1;
enum { kRowsAtOnce = 32 };

template <int kDigits>
static constexpr int kPieces = kDigits == 1 ? 1 : 4;

template <int kDigits>
static constexpr int64_t kTableBytes = 2 * kPieces<kDigits> * 64;

/* Measured: of 64 signs in a loop over one matrix. */
template <int kDigits>
static constexpr double kSignNanoseconds = kDigits == 1 ? 2 : 3;

/* A piece of entries, the highest being the last. */
template <int kDigits>
static inline u32x16 piece(const u32x16& entries, int index) {
  if (kDigits == 1) return entries >> 24;
  return ((entries + 0x80000000u) >> (8 + 6 * index)) & 63u;
}

/* The upper bytes of the entries of 16 quads (lanes as tables.inl says) as tables of two words. */
template <int kDigits>
static inline void store_tables(const u32x16 entries[16], uint8_t* bytes) {
  constexpr int kCount = kPieces<kDigits>;
  for (int d = 0; d < kCount; ++d) {
    uint32_t fours[4][kLanes];  // four entries of each quad
    for (int i = 0; i < 4; ++i) {
      const u32x16* e = entries + 4 * i;
      const u32x16 low = piece<kDigits>(e[0], d) | piece<kDigits>(e[1], d) << 8;
      const u32x16 high = piece<kDigits>(e[2], d) | piece<kDigits>(e[3], d) << 8;
      store(fours[i], low | high << 16);
    }
    for (int lane = 0; lane < kLanes; ++lane) {
      uint8_t* to = bytes + (lane % 4 * kCount + d) * 64 + lane / 4 * 16;
      for (int i = 0; i < 4; ++i) store(to + 4 * i, fours[i][lane]);
    }
  }
}

/* Multipliers of the 16 quads of two words, in their lanes, as bytes: [word][half][byte]. */
static inline void store_multipliers(const i32x16& multipliers, uint32_t* weights) {
  for (int i = 0; i < 4; ++i) {
    weights[i] = (uint32_t)(multipliers[i] | multipliers[i + 4] << 8 | multipliers[i + 8] << 16 |
                            multipliers[i + 12] << 24);
  }
}

/* Words of 32 rows -> byte p of each in bytes[p]: of its 128-bit lane L, byte 4 k + i is that of
 * row 8 k + 4 L + i. */
static inline void transpose_bytes(const uint32_t* words, __m256i bytes[4]) {
  const __m256i order = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  __m256i v[4];
  for (int k = 0; k < 4; ++k) {
    v[k] = _mm256_shuffle_epi8(_mm256_loadu_si256((const __m256i*)(words + 8 * k)), order);
  }
  const __m256i low01 = _mm256_unpacklo_epi32(v[0], v[1]);
  const __m256i low23 = _mm256_unpacklo_epi32(v[2], v[3]);
  const __m256i high01 = _mm256_unpackhi_epi32(v[0], v[1]);
  const __m256i high23 = _mm256_unpackhi_epi32(v[2], v[3]);
  bytes[0] = _mm256_unpacklo_epi64(low01, low23);
  bytes[1] = _mm256_unpackhi_epi64(low01, low23);
  bytes[2] = _mm256_unpacklo_epi64(high01, high23);
  bytes[3] = _mm256_unpackhi_epi64(high01, high23);
}

/* The entry that each nibble of `index` chooses from a table of 16. */
static inline __m256i look_up(const uint8_t* table, __m256i index) {
  const __m128i entries = _mm_loadu_si128((const __m128i*)table);
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(entries), index);
}

/* Running sums of 32 rows. Three digits: of each piece 16 bits, which the 8 x 32 entries of a K
 * tile at 63 each do not exceed, for even and for odd bytes of the registers. */
template <int kDigits>
struct Sums {
  __m256i even[4] = {}, odd[4] = {};

  void add(const __m256i index[4], const uint8_t* tables, uint32_t) {
    for (int d = 0; d < 4; ++d, tables += 64) {
      const __m256i low =
          _mm256_add_epi8(look_up(tables, index[0]), look_up(tables + 16, index[1]));
      const __m256i high =
          _mm256_add_epi8(look_up(tables + 32, index[2]), look_up(tables + 48, index[3]));
      const __m256i four = _mm256_add_epi8(low, high);
      even[d] = _mm256_add_epi16(even[d], _mm256_and_si256(four, _mm256_set1_epi16(255)));
      odd[d] = _mm256_add_epi16(odd[d], _mm256_srli_epi16(four, 8));
    }
  }

  /* Rows 16 i to 16 i + 7, then 8 more; `count` words have been added. */
  void finish(int i, int64_t count, __m256i* first, __m256i* second) const {
    const __m256i zero = _mm256_setzero_si256();
    *first = *second = _mm256_set1_epi32((int32_t)((uint32_t)(-8 * 32 * count) << 18));
    for (int d = 0; d < 4; ++d) {
      const __m256i rows =
          i == 0 ? _mm256_unpacklo_epi16(even[d], odd[d]) : _mm256_unpackhi_epi16(even[d], odd[d]);
      const __m256i low = _mm256_unpacklo_epi16(rows, zero);
      const __m256i high = _mm256_unpackhi_epi16(rows, zero);
      *first = _mm256_add_epi32(*first, _mm256_slli_epi32(low, 6 * d));
      *second = _mm256_add_epi32(*second, _mm256_slli_epi32(high, 6 * d));
    }
  }
};

/* One digit, times the multiplier of its table, which is at most 64: the sum of four is at most
 * 4 x 64 x 127. Sums of 32 bits, of even and of odd rows. */
template <>
struct Sums<1> {
  __m256i even[2] = {}, odd[2] = {};

  void add(const __m256i index[4], const uint8_t* tables, uint32_t weights) {
    const __m256i multipliers[2] = {_mm256_set1_epi16((int16_t)weights),
                                    _mm256_set1_epi16((int16_t)(weights >> 16))};
    __m256i sums[2] = {};
    for (int i = 0; i < 2; ++i, tables += 32) {
      const __m256i one = look_up(tables, index[2 * i]);
      const __m256i other = look_up(tables + 16, index[2 * i + 1]);
      const __m256i pairs[2] = {_mm256_unpacklo_epi8(one, other), _mm256_unpackhi_epi8(one, other)};
      for (int half = 0; half < 2; ++half) {
        sums[half] =
            _mm256_add_epi16(sums[half], _mm256_maddubs_epi16(multipliers[i], pairs[half]));
      }
    }
    for (int i = 0; i < 2; ++i) {
      const __m256i lower = _mm256_madd_epi16(sums[i], _mm256_set1_epi32(1));
      even[i] = _mm256_add_epi32(even[i], lower);
      odd[i] = _mm256_add_epi32(odd[i], _mm256_srai_epi32(sums[i], 16));
    }
  }

  void finish(int i, int64_t, __m256i* first, __m256i* second) const {
    *first = _mm256_unpacklo_epi32(even[i], odd[i]);
    *second = _mm256_unpackhi_epi32(even[i], odd[i]);
  }
};

/* The sums of entries over `count` words of one plane of a tile for one row of x, as in
 * avx512/table_sums.inl. */
template <int kDigits, int kBatch>
static inline void sum_entries(const uint32_t* words, int64_t stride, int64_t count,
                               const uint8_t* bytes, int64_t, const uint32_t* weights, int64_t,
                               int32_t* sums) {
  static_assert(kBatch == 1, "rows of x come one at a time");
  const __m256i nibble = _mm256_set1_epi8(15);
  for (int row = 0; row < kTileRows; row += kRowsAtOnce) {
    Sums<kDigits> running;
    for (int64_t i = 0; i < count; ++i) {
      __m256i position[4], low[4], high[4];
      transpose_bytes(words + i * stride + row, position);
      for (int p = 0; p < 4; ++p) {
        low[p] = _mm256_and_si256(position[p], nibble);
        high[p] = _mm256_and_si256(_mm256_srli_epi16(position[p], 4), nibble);
      }
      const uint8_t* tables = bytes + i * kTableBytes<kDigits>;
      running.add(low, tables, kDigits == 1 ? weights[2 * i] : 0);
      running.add(high, tables + kTableBytes<kDigits> / 2, kDigits == 1 ? weights[2 * i + 1] : 0);
    }
    for (int i = 0; i < 2; ++i) {
      __m256i first, second;
      running.finish(i, count, &first, &second);
      int32_t* to = sums + row + 16 * i;
      _mm256_storeu_si256((__m256i*)to, first);
      _mm256_storeu_si256((__m256i*)(to + 8), second);
    }
  }
}
