/* Sums of table entries, AVX-512. Included inside the namespace of the instruction set.
 *
 * A word of 32 signs holds 8 quads: byte p has quad 2 p in its low nibble, 2 p + 1 in its high one.
 * Tables of 16 bytes; one register holds those of the four low, or of the four high, nibbles.
 * Memory: [word][half][digit][4 bytes p][16 entries]. */

enum { kBatchAtOnce = 4 };

template <int digits>
static constexpr int64_t kTableBytes = 2 * digits * 64;

/* Byte `byte` of each of the 32-bit lanes of two vectors, interleaved, in the lower half. */
template <int byte>
static inline __m512i interleaved_bytes(const u32x16& first, const u32x16& second) {
  const __m512i step = _mm512_set_epi64(0, 0, 0, 0, 0x7c3c783874347030, 0x6c2c682864246020,
                                        0x5c1c581854145010, 0x4c0c480844044000);
  const __m512i index = _mm512_add_epi8(step, _mm512_set1_epi8(byte));
  return _mm512_permutex2var_epi8((__m512i)first, index, (__m512i)second);
}

/* Byte `byte` of four entries of each quad. */
template <int byte>
static inline __m512i four_entries(const u32x16* entries) {
  const __m512i low = interleaved_bytes<byte>(entries[0], entries[1]);
  const __m512i high = interleaved_bytes<byte>(entries[2], entries[3]);
  const __m512i pairs = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40,
                                         8, 39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  return _mm512_permutex2var_epi16(low, pairs, high);
}

/* Byte `byte` of the entries as the digit `digit` of the four tables of a block. */
template <int digits, int digit>
static inline void store_digit(const u32x16 entries[16], uint8_t* bytes) {
  constexpr int byte = 4 - digits + digit;
  const __m512i a = four_entries<byte>(entries), b = four_entries<byte>(entries + 4);
  const __m512i c = four_entries<byte>(entries + 8), d = four_entries<byte>(entries + 12);
  const __m512i ab_low = _mm512_unpacklo_epi32(a, b), ab_high = _mm512_unpackhi_epi32(a, b);
  const __m512i cd_low = _mm512_unpacklo_epi32(c, d), cd_high = _mm512_unpackhi_epi32(c, d);
  uint8_t* to = bytes + digit * 64;
  constexpr int step = digits * 64;
  _mm512_storeu_si512(to, _mm512_unpacklo_epi64(ab_low, cd_low));
  _mm512_storeu_si512(to + step, _mm512_unpackhi_epi64(ab_low, cd_low));
  _mm512_storeu_si512(to + 2 * step, _mm512_unpacklo_epi64(ab_high, cd_high));
  _mm512_storeu_si512(to + 3 * step, _mm512_unpackhi_epi64(ab_high, cd_high));
}

/* The upper bytes of the entries of 16 quads (lanes as tables.inl says) as tables of two words. */
template <int digits>
static inline void store_tables(const u32x16 entries[16], uint8_t* bytes) {
  store_digit<digits, digits - 1>(entries, bytes);
  if constexpr (digits == 3) {
    store_digit<3, 0>(entries, bytes);
    store_digit<3, 1>(entries, bytes);
  }
}

/* A register of tables for one half of a word, and the multiplier of each of its four. */
template <int digits>
struct HalfTables {
  __m512i table[digits], multiplier;

  HalfTables(const uint8_t* bytes, const uint32_t* weights, int half) {
    for (int d = 0; d < digits; ++d) {
      table[d] = _mm512_loadu_si512(bytes + (half * digits + d) * 64);
    }
    multiplier = digits == 1 ? _mm512_set1_epi32(weights[half]) : _mm512_set1_epi8(1);
  }

  /* Adds to each of 16 rows the four entries that its four bytes of `index` choose. */
  void add(__m512i index, __m512i sums[digits]) const {
    for (int d = 0; d < digits; ++d) {
      const __m512i chosen = _mm512_permutexvar_epi8(index, table[d]);
      sums[d] = _mm512_dpbusd_epi32(sums[d], chosen, multiplier);
    }
  }
};

/* Low or high nibbles of 16 words as indices into a register of four tables: nibble + 16 p. */
static inline __m512i low_index(__m512i words) {
  return _mm512_ternarylogic_epi32(words, _mm512_set1_epi8(15), _mm512_set1_epi32(0x30201000),
                                   0xea);  // (a & b) | c
}
static inline __m512i high_index(__m512i words) { return low_index(_mm512_srli_epi32(words, 4)); }

/* Sums of digits -> sums of entries without their excess. */
template <int digits>
static inline __m512i combined(const __m512i sums[digits], uint32_t excess) {
  __m512i sum = sums[digits - 1];
  for (int d = digits - 2; d >= 0; --d) {
    sum = _mm512_add_epi32(_mm512_slli_epi32(sum, 8), sums[d]);
  }
  return _mm512_sub_epi32(sum, _mm512_set1_epi32(excess));
}

/* For `batch` rows of x, the sums of entries over `count` words of one plane of a tile: words
 * [count][64], `stride` apart. The tables of the rows of x are `row_bytes` apart, the weights
 * `row_weights`. sums [batch][64]. `next`: words that will be wanted after these. */
template <int digits, int batch>
static inline void lookup_some(const uint32_t* words, int64_t stride, int64_t count,
                               const uint8_t* bytes, int64_t row_bytes, const uint32_t* weights,
                               int64_t row_weights, const uint32_t* next, int32_t* sums) {
  constexpr int kRowGroups = batch == 1 ? 4 : digits == 3 ? 1 : 2;  // of 16 rows, at once
  uint32_t excess[batch];
  for (int b = 0; b < batch; ++b) {
    excess[b] = excess_of<digits>(weights + b * row_weights, count);
  }
  for (int first = 0; first < 4; first += kRowGroups) {
    __m512i sum[batch][kRowGroups][digits] = {};
    for (int64_t i = 0; i < count; ++i) {
      __m512i low[kRowGroups], high[kRowGroups];
#pragma GCC unroll 4
      for (int r = 0; r < kRowGroups; ++r) {
        const int64_t place = i * stride + (first + r) * 16;
        _mm_prefetch((const char*)(next + place), _MM_HINT_T0);
        const __m512i word = _mm512_loadu_si512(words + place);
        low[r] = low_index(word);
        high[r] = high_index(word);
      }
#pragma GCC unroll 4
      for (int b = 0; b < batch; ++b) {
        const uint8_t* table = bytes + b * row_bytes + i * kTableBytes<digits>;
        const uint32_t* weight = weights + b * row_weights + i * 2;
        const HalfTables<digits> even(table, weight, 0), odd(table, weight, 1);
#pragma GCC unroll 4
        for (int r = 0; r < kRowGroups; ++r) {
          even.add(low[r], sum[b][r]);
          odd.add(high[r], sum[b][r]);
        }
      }
    }
    for (int b = 0; b < batch; ++b) {
      for (int r = 0; r < kRowGroups; ++r) {
        _mm512_store_si512(sums + b * kTileRows + (first + r) * 16,
                           combined<digits>(sum[b][r], excess[b]));
      }
    }
  }
}
