/* Numbers with the signs of a word. */

/* `value` with its sign turned where bit 31 of `bits` is 0. */
template <typename Floats, typename Words>
static inline Floats with_sign(const Floats& value, const Words& bits) {
  return (Floats)((Words)value ^ (~bits & 0x80000000u));
}

/* By how much a column's sign is to be shifted to bit 31. */
alignas(64) static constexpr uint32_t kToSign[kWordBits] = {
    31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16,
    15, 14, 13, 12, 11, 10, 9,  8,  7,  6,  5,  4,  3,  2,  1,  0};
