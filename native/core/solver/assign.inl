/* Every weight takes its nearest level: params -> words of the bit planes. */

/* Eight codes, a byte each -> bit `plane` of each, as eight bits in their order. */
BCQ_INLINE uint32_t plane_bits(uint64_t codes, int plane) {
  return ((codes >> plane) & 0x0101010101010101u) * 0x0102040810204080u >> 56;
}

/* Writes the words of a group; planes[i] + at is where those of plane i begin. */
template <int M, bool kOffset>
static void assign(const Row& row, const double* params, uint32_t* const* planes, int64_t at) {
  constexpr int K = kLevels<M>, kBits = M - kOffset;
  Real lanes[M], thresholds[K];
  for (int i = 0; i < M; ++i) lanes[i] = splat(params[i]);
  Levels<M> levels;
  sort_levels<M, kOffset>(lanes, &levels);
  // Past each threshold some signs turn.
  Int turns[K];
  int64_t code = 0;
  for (int k = 0; k < K; ++k) {
    const int64_t next = pattern_code<M, kOffset>(levels.patterns[k][0]);
    turns[k] = Int{} + (code ^ next);
    thresholds[k] = k == 0 ? Real{} : levels.thresholds[k - 1];
    code = next;
  }
  for (int64_t begin = 0; begin < row.length; begin += BCQ_WORD_BITS) {
    const int64_t left = row.length - begin;
    uint32_t words[kBits] = {};
    for (int i = 0; i < BCQ_WORD_BITS && i < left; i += kLanes) {
      const Real value = load(row.values + begin + i);
      const Real size = kOffset ? value : magnitude(value);
      Int found = turns[0];
#pragma GCC unroll 8
      for (int k = 1; k < K; ++k) found ^= (size > thresholds[k]) & turns[k];
      if (!kOffset) found ^= (value < 0) & ((1 << kBits) - 1);
      typedef uint8_t Bytes __attribute__((vector_size(kLanes)));
      const Bytes bytes = __builtin_convertvector(found, Bytes);
      uint64_t codes;
      memcpy(&codes, &bytes, sizeof(codes));
      for (int plane = 0; plane < kBits; ++plane) words[plane] |= plane_bits(codes, plane) << i;
    }
    const uint32_t used = left < BCQ_WORD_BITS ? (uint32_t{1} << left) - 1 : ~uint32_t{0};
    for (int plane = 0; plane < kBits; ++plane) {
      planes[plane][at + begin / BCQ_WORD_BITS] = words[plane] & used;
    }
  }
}
