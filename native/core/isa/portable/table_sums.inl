/* Sums of table entries. Included inside the namespace of a set.
 *
 * Tables of 16 entries: int32 where exact, one signed digit where fast. Memory: [word][8 quads]
 * [16 entries]. */

template <int kDigits>
static constexpr int kBatchAtOnce = 1;
enum { kWordQuads = 8 };

template <int kDigits>
struct EntryType {
  typedef int32_t type;
};
template <>
struct EntryType<1> {
  typedef int8_t type;
};
template <int kDigits>
using Entry = typename EntryType<kDigits>::type;

template <int kDigits>
static constexpr int64_t kTableBytes = kWordQuads * 16 * sizeof(Entry<kDigits>);

/* Measured: of 64 signs in a loop over one matrix. */
template <int kDigits>
static constexpr double kSignNanoseconds = kDigits == 1 ? 15 : 10;

/* The upper bytes of the entries of 16 quads (lanes as tables.inl says) as tables of two words. */
template <int kDigits>
static inline void store_tables(const u32x16 entries[16], uint8_t* bytes) {
  Entry<kDigits>* table = (Entry<kDigits>*)bytes;
  constexpr int kShift = 32 - 8 * kDigits;
  for (int word = 0; word < 2; ++word) {
    for (int quad = 0; quad < kWordQuads; ++quad) {
      const int lane = 4 * (quad / 2) + 2 * word + quad % 2;
      for (int i = 0; i < 16; ++i) *table++ = (int32_t)entries[i][lane] >> kShift;
    }
  }
}

/* Multipliers of the 16 quads of two words, in their lanes, as bytes: [word][quad]. */
static inline void store_multipliers(const i32x16& multipliers, uint32_t* weights) {
  uint8_t* to = (uint8_t*)weights;
  for (int word = 0; word < 2; ++word) {
    for (int quad = 0; quad < kWordQuads; ++quad) {
      *to++ = multipliers[4 * (quad / 2) + 2 * word + quad % 2];
    }
  }
}

/* The sums of entries over `count` words of one plane of a tile for one row of x, as in
 * avx512/table_sums.inl. */
template <int kDigits, int kBatch>
static inline void sum_entries(const uint32_t* words, int64_t stride, int64_t count,
                               const uint8_t* bytes, int64_t, const uint32_t* weights, int64_t,
                               int32_t* sums) {
  static_assert(kBatch == 1, "rows of x come one at a time");
  for (int r = 0; r < kTileRows; ++r) sums[r] = 0;
  const Entry<kDigits>* table = (const Entry<kDigits>*)bytes;
  for (int64_t i = 0; i < count; ++i, table += kWordQuads * 16) {
    const uint8_t* multiplier = kDigits == 1 ? (const uint8_t*)(weights + 2 * i) : nullptr;
    for (int r = 0; r < kTileRows; ++r) {
      const uint32_t word = words[i * stride + r];
      int32_t sum = 0;
      for (int quad = 0; quad < kWordQuads; ++quad) {
        const int32_t entry = table[quad * 16 + ((word >> (4 * quad)) & 15)];
        sum += kDigits == 1 ? entry * multiplier[quad] : entry;
      }
      sums[r] += sum;
    }
  }
}
