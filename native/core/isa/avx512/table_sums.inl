/* Sums of table entries. Included inside the namespace of a set.
 *
 * A word of 32 signs holds 8 quads: byte p has quad 2 p in its low nibble, 2 p + 1 in its high one.
 * Tables of 16 bytes; one register holds those of the four low, or of the four high, nibbles.
 * Memory: [word][half][digit][4 bytes p][16 entries]. */

/* How many words ahead memory is asked for them. */
enum { kAhead = 8 };

/* Rows of x that share the indices of a word: as many as there are registers for. */
template <int kDigits>
static constexpr int kBatchAtOnce = kDigits == 3 ? 2 : 4;

template <int kDigits>
static constexpr int64_t kTableBytes = 2 * kDigits * 64;

/* Measured: of 64 signs in a loop over one matrix. */
template <int kDigits>
static constexpr double kSignNanoseconds = kDigits == 1 ? .2 : .4;

/* Byte `byte` of each of the 32-bit lanes of two vectors, interleaved, in the lower half; the next
 * bytes in the upper half. */
static inline __m512i interleaved_bytes(int byte, const u32x16& first, const u32x16& second) {
  const __m512i step = _mm512_set_epi64(0x7d3d793975357131, 0x6d2d692965256121, 0x5d1d591955155111,
                                        0x4d0d490945054101, 0x7c3c783874347030, 0x6c2c682864246020,
                                        0x5c1c581854145010, 0x4c0c480844044000);
  const __m512i index = _mm512_add_epi8(step, _mm512_set1_epi8((char)byte));
  return _mm512_permutex2var_epi8((__m512i)first, index, (__m512i)second);
}

/* Words 16 `half` to 16 `half` + 15 of two vectors, interleaved. */
static inline __m512i interleaved_words(int half, __m512i first, __m512i second) {
  const __m512i step = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40,
                                        8, 39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  const __m512i index = _mm512_add_epi16(step, _mm512_set1_epi16((short)(16 * half)));
  return _mm512_permutex2var_epi16(first, index, second);
}

/* Four entries of each quad -> their digits, four bytes a quad, by quad. */
template <int kDigits>
static inline void split_digits(const u32x16 entries[4], __m512i split[kDigits]) {
  const __m512i low = interleaved_bytes(4 - kDigits, entries[0], entries[1]);
  const __m512i high = interleaved_bytes(4 - kDigits, entries[2], entries[3]);
  split[0] = interleaved_words(0, low, high);
  if constexpr (kDigits == 3) {
    split[1] = interleaved_words(1, low, high);
    split[2] = interleaved_words(0, interleaved_bytes(3, entries[0], entries[1]),
                                 interleaved_bytes(3, entries[2], entries[3]));
  }
}

/* The upper bytes of the entries of 16 quads (lanes as tables.inl says) as tables of two words. */
template <int kDigits>
static inline void store_tables(const u32x16 entries[16], uint8_t* bytes) {
  __m512i split[4][kDigits];
  for (int i = 0; i < 4; ++i) split_digits<kDigits>(entries + 4 * i, split[i]);
  for (int d = 0; d < kDigits; ++d) {
    const __m512i low01 = _mm512_unpacklo_epi32(split[0][d], split[1][d]);
    const __m512i high01 = _mm512_unpackhi_epi32(split[0][d], split[1][d]);
    const __m512i low23 = _mm512_unpacklo_epi32(split[2][d], split[3][d]);
    const __m512i high23 = _mm512_unpackhi_epi32(split[2][d], split[3][d]);
    const __m512i tables[4] = {
        _mm512_unpacklo_epi64(low01, low23), _mm512_unpackhi_epi64(low01, low23),
        _mm512_unpacklo_epi64(high01, high23), _mm512_unpackhi_epi64(high01, high23)};
    for (int i = 0; i < 4; ++i) _mm512_storeu_si512(bytes + (i * kDigits + d) * 64, tables[i]);
  }
}

/* Multipliers of the 16 quads of two words, in their lanes, as bytes: [word][half][byte]. */
static inline void store_multipliers(const i32x16& multipliers, uint32_t* weights) {
  const __m128i order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m128i bytes = _mm512_cvtepi32_epi8((__m512i)multipliers);
  _mm_storeu_si128((__m128i*)weights, _mm_shuffle_epi8(bytes, order));
}

/* A register of tables for one half of a word. The upper digit has a sign, the others have none. */
template <int kDigits>
struct HalfTables {
  __m512i table[kDigits], multiplier;

  HalfTables(const uint8_t* bytes, const uint32_t* weights, int half) {
    for (int d = 0; d < kDigits; ++d) {
      table[d] = _mm512_loadu_si512(bytes + (half * kDigits + d) * 64);
    }
    multiplier = kDigits == 1 ? _mm512_set1_epi32(weights[half]) : _mm512_set1_epi8(1);
  }

  /* Adds to each of 16 rows the four entries that its four bytes of `index` choose. */
  void add(__m512i index, __m512i sums[kDigits]) const {
    for (int d = 0; d < kDigits - 1; ++d) {
      sums[d] = _mm512_dpbusd_epi32(sums[d], _mm512_permutexvar_epi8(index, table[d]), multiplier);
    }
    const __m512i upper = _mm512_permutexvar_epi8(index, table[kDigits - 1]);
    sums[kDigits - 1] = _mm512_dpbusd_epi32(sums[kDigits - 1], multiplier, upper);
  }
};

/* Low or high nibbles of 16 words as indices into a register of four tables: nibble + 16 p. */
static inline __m512i low_index(__m512i words) {
  return _mm512_ternarylogic_epi32(words, _mm512_set1_epi8(15), _mm512_set1_epi32(0x30201000),
                                   0xea);  // (a & b) | c
}
static inline __m512i high_index(__m512i words) { return low_index(_mm512_srli_epi32(words, 4)); }

/* Sums of digits -> sums of entries. */
template <int kDigits>
static inline __m512i combined(const __m512i sums[kDigits]) {
  __m512i sum = sums[kDigits - 1];
  for (int d = kDigits - 2; d >= 0; --d) {
    sum = _mm512_add_epi32(_mm512_slli_epi32(sum, 8), sums[d]);
  }
  return sum;
}

/* For `batch` rows of x, the sums of entries over `count` words of one plane of a tile: words
 * [count][64], `stride` apart. The tables of the rows of x are `row_bytes` apart, the weights
 * `row_weights`. sums [batch][64]. */
template <int kDigits, int kBatch>
static inline void sum_entries(const uint32_t* words, int64_t stride, int64_t count,
                               const uint8_t* bytes, int64_t row_bytes, const uint32_t* weights,
                               int64_t row_weights, int32_t* sums) {
  constexpr int kRowGroups = kBatch == 1 ? 4 : kDigits == 3 ? 2 : 4;  // of 16 rows, at once
  for (int first = 0; first < 4; first += kRowGroups) {
    __m512i sum[kBatch][kRowGroups][kDigits] = {};
    for (int64_t i = 0; i < count; ++i) {
#pragma GCC unroll 4
      for (int r = 0; r < kRowGroups; ++r) {
        const int64_t place = i * stride + (first + r) * 16;
        if constexpr (kBatch == 1) {
          _mm_prefetch((const char*)(words + place + kAhead * stride), _MM_HINT_T0);
        }
        const __m512i word = _mm512_loadu_si512(words + place);
        const __m512i low = low_index(word), high = high_index(word);
#pragma GCC unroll 4
        for (int b = 0; b < kBatch; ++b) {
          const uint8_t* table = bytes + b * row_bytes + i * kTableBytes<kDigits>;
          const uint32_t* weight = weights + b * row_weights + i * 2;
          HalfTables<kDigits>(table, weight, 0).add(low, sum[b][r]);
          HalfTables<kDigits>(table, weight, 1).add(high, sum[b][r]);
        }
      }
    }
    for (int b = 0; b < kBatch; ++b) {
      for (int r = 0; r < kRowGroups; ++r) {
        _mm512_store_si512(sums + b * kTileRows + (first + r) * 16, combined<kDigits>(sum[b][r]));
      }
    }
  }
}
