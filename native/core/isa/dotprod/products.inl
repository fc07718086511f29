/* Adds to the sums of 8 rows what four bytes of theirs chose, two in `first` and two in `second`,
 * times the multipliers of their tables. Included inside the namespace of a set. */
static inline void add_products(int8x16_t first, int8x16_t second, uint32_t multipliers,
                                int32x4_t sum[2]) {
  const int16x8_t pairs = vreinterpretq_s16_s8(first), others = vreinterpretq_s16_s8(second);
  const int8x16_t by = vreinterpretq_s8_u32(vdupq_n_u32(multipliers));
  sum[0] = vdotq_s32(sum[0], vreinterpretq_s8_s16(vzip1q_s16(pairs, others)), by);
  sum[1] = vdotq_s32(sum[1], vreinterpretq_s8_s16(vzip2q_s16(pairs, others)), by);
}
