/* Adds to the sums of 8 rows what four bytes of theirs chose, two in `first` and two in `second`,
 * times the multipliers of their tables (at most 64: a pair of products has 16 bits). Included
 * inside the namespace of a set. */
static inline void add_products(int8x16_t first, int8x16_t second, uint32_t multipliers,
                                int32x4_t sum[2]) {
  const int8x16_t by_first = vreinterpretq_s8_u16(vdupq_n_u16((uint16_t)multipliers));
  const int8x16_t by_second = vreinterpretq_s8_u16(vdupq_n_u16((uint16_t)(multipliers >> 16)));
  const int16x8_t low = vmull_s8(vget_low_s8(first), vget_low_s8(by_first));
  const int16x8_t high = vmull_high_s8(first, by_first);
  sum[0] = vpadalq_s16(sum[0], vmlal_s8(low, vget_low_s8(second), vget_low_s8(by_second)));
  sum[1] = vpadalq_s16(sum[1], vmlal_high_s8(high, second, by_second));
}
