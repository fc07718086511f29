/* Sums of table entries. Included inside the namespace of a set.
 *
 * Tables of 16 bytes, one for each nibble of a word: [word][half][digit][4 bytes][16 entries]. The
 * tables of two neighbouring bytes are one of 32: an odd byte's nibble, plus 16, looks into its
 * second half, and what a row's two bytes choose is added in pairs, as the sums are widened. */

template <int kDigits>
static constexpr int kBatchAtOnce = 1;

template <int kDigits>
static constexpr int64_t kTableBytes = 2 * kDigits * 64;

/* Of 64 signs in a loop over one matrix: instructions counted, at two in a nanosecond. */
template <int kDigits>
static constexpr double kSignNanoseconds = kDigits == 1 ? 4 : 6;

/* 16 x 16 bytes, transposed: each round turns the places of all 256 by one of their eight bits. */
static inline void transpose(uint8x16_t rows[16]) {
  for (int round = 0; round < 4; ++round) {
    uint8x16_t next[16];
    for (int i = 0; i < 8; ++i) {
      next[2 * i] = vzip1q_u8(rows[i], rows[i + 8]);
      next[2 * i + 1] = vzip2q_u8(rows[i], rows[i + 8]);
    }
    for (int i = 0; i < 16; ++i) rows[i] = next[i];
  }
}

/* The upper bytes of the entries of 16 quads (lanes as tables.inl says) as tables of two words. */
template <int kDigits>
static inline void store_tables(const u32x16 entries[16], uint8_t* bytes) {
  const uint8x16_t of_lane = {0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60};
  for (int d = 0; d < kDigits; ++d) {
    const uint8x16_t places = vaddq_u8(of_lane, vdupq_n_u8((uint8_t)(4 - kDigits + d)));
    uint8x16_t tables[16];
    for (int i = 0; i < 16; ++i) {
      tables[i] = vqtbl4q_u8(vld1q_u8_x4((const uint8_t*)&entries[i]), places);
    }
    transpose(tables);
    for (int lane = 0; lane < kLanes; ++lane) {
      vst1q_u8(bytes + (lane % 4 * kDigits + d) * 64 + lane / 4 * 16, tables[lane]);
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

/* Where 8 rows look: of each two neighbouring bytes of their words the low or the high nibbles, and
 * 16 more for the second. */
struct Places {
  uint8x16_t of_pair[2];
};

static inline Places low_places(const uint16x8x2_t& words) {
  const uint8x16_t second = vreinterpretq_u8_u16(vdupq_n_u16(0x100));
  return {{vsliq_n_u8(vreinterpretq_u8_u16(words.val[0]), second, 4),
           vsliq_n_u8(vreinterpretq_u8_u16(words.val[1]), second, 4)}};
}

static inline Places high_places(const uint16x8x2_t& words) {
  const uint8x16_t second = vreinterpretq_u8_u16(vdupq_n_u16(0x1000));
  return {{vsriq_n_u8(second, vreinterpretq_u8_u16(words.val[0]), 4),
           vsriq_n_u8(second, vreinterpretq_u8_u16(words.val[1]), 4)}};
}

/* Running sums of rows, in parts of 8: of each digit 16 bits, which the 8 x 32 entries of a K tile,
 * at most 255, or 127 where they have signs, do not exceed. */
template <int kDigits>
struct Sums {
  enum { kParts = 2 }; /* as many as there are registers for */
  uint16x8_t low[2][kParts] = {};
  int16x8_t high[kParts] = {};

  void add(const Places places[kParts], const uint8_t* tables, uint32_t) {
    for (int d = 0; d < kDigits; ++d) {
      for (int pair = 0; pair < 2; ++pair) {
        const uint8x16x2_t table = vld1q_u8_x2(tables + 64 * d + 32 * pair);
        for (int i = 0; i < kParts; ++i) {
          const uint8x16_t entries = vqtbl2q_u8(table, places[i].of_pair[pair]);
          if (d < 2) {
            low[d][i] = vpadalq_u8(low[d][i], entries);
          } else {
            high[i] = vpadalq_s8(high[i], vreinterpretq_s8_u8(entries));
          }
        }
      }
    }
  }

  void finish(int part, int32_t* sums) const {
    const uint16x8_t first = low[0][part], second = low[1][part];
    const int16x8_t last = high[part];
    finish_half(vshll_n_s16(vget_low_s16(last), 8), vget_low_u16(second), vget_low_u16(first),
                sums);
    finish_half(vshll_high_n_s16(last, 8), vget_high_u16(second), vget_high_u16(first), sums + 4);
  }

 private:
  static void finish_half(int32x4_t last, uint16x4_t second, uint16x4_t first, int32_t* sums) {
    const uint32x4_t upper = vaddw_u16(vreinterpretq_u32_s32(last), second);
    vst1q_s32(sums, vreinterpretq_s32_u32(vaddw_u16(vshlq_n_u32(upper, 8), first)));
  }
};

/* One digit, times the multiplier of its table: sums of 32 bits. */
template <>
struct Sums<1> {
  enum { kParts = 4 };
  int32x4_t sum[kParts][2] = {};

  void add(const Places places[kParts], const uint8_t* tables, uint32_t multipliers) {
    const uint8x16x2_t first = vld1q_u8_x2(tables), second = vld1q_u8_x2(tables + 32);
    for (int i = 0; i < kParts; ++i) {
      add_products(vreinterpretq_s8_u8(vqtbl2q_u8(first, places[i].of_pair[0])),
                   vreinterpretq_s8_u8(vqtbl2q_u8(second, places[i].of_pair[1])), multipliers,
                   sum[i]);
    }
  }

  void finish(int part, int32_t* sums) const {
    for (int half = 0; half < 2; ++half) vst1q_s32(sums + 4 * half, sum[part][half]);
  }
};

/* The sums of entries over `count` words of one plane of a tile for one row of x, as in
 * avx512/table_sums.inl. */
template <int kDigits, int kBatch>
static inline void sum_entries(const uint32_t* words, int64_t stride, int64_t count,
                               const uint8_t* bytes, int64_t, const uint32_t* weights, int64_t,
                               int32_t* sums) {
  static_assert(kBatch == 1, "rows of x come one at a time");
  constexpr int kParts = Sums<kDigits>::kParts;
  for (int row = 0; row < kTileRows; row += 8 * kParts) {
    Sums<kDigits> running;
    for (int64_t i = 0; i < count; ++i) {
      Places low[kParts], high[kParts];
      for (int part = 0; part < kParts; ++part) {
        const uint32_t* from = words + i * stride + row + 8 * part;
        const uint16x8x2_t halves = vld2q_u16((const uint16_t*)from);
        low[part] = low_places(halves), high[part] = high_places(halves);
      }
      const uint8_t* tables = bytes + i * kTableBytes<kDigits>;
      running.add(low, tables, kDigits == 1 ? weights[2 * i] : 0);
      running.add(high, tables + kTableBytes<kDigits> / 2, kDigits == 1 ? weights[2 * i + 1] : 0);
    }
    for (int part = 0; part < kParts; ++part) running.finish(part, sums + row + 8 * part);
  }
}
