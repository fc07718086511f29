/* Digits are unsigned bytes: a table's entries stand with an excess over their value, which is
 * taken off the sums at the end. Included by the lookup files that sum bytes. */

/* What the entries of `count` words exceed their values by, modulo 2^32. */
template <int digits>
static inline uint32_t excess_of(const uint32_t* weights, int64_t count) {
  constexpr uint32_t kQuadsOfWord = 8;
  if (digits == 3) return (uint32_t)count * (kQuadsOfWord << 23);
  uint32_t sum = 0;
  for (int64_t i = 0; i < 2 * count; ++i) {
    const uint32_t pairs = (weights[i] & 0x00ff00ffu) + ((weights[i] >> 8) & 0x00ff00ffu);
    sum += (pairs & 0xffffu) + (pairs >> 16);
  }
  return sum << 7;
}

/* Multipliers of the 16 quads of two words, in their lanes, as bytes: [word][half][byte]. */
static inline void store_multipliers(const uint32_t multipliers[16], uint32_t* weights) {
  for (int i = 0; i < 4; ++i) {
    weights[i] = multipliers[i] | multipliers[i + 4] << 8 | multipliers[i + 8] << 16 |
                 multipliers[i + 12] << 24;
  }
}
