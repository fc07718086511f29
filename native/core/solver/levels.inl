/* The levels that params can reach, in order, and the sign pattern of each.
 *
 * There are K = 2^(m-1) levels: |a_0 +- a_1 +- ...|, or z +- a_0 +- ... where there is an offset z.
 * The first param has the sign +; bit i - 1 of a pattern is set where param i is subtracted. Bit
 * m - 1, the flip, tells that a_0 +- a_1 ... is negative, so that all signs turn. */

template <int M>
constexpr int kLevels = 1 << (M - 1);

template <int M>
struct Levels {
  Real thresholds[kLevels<M>]; /* K - 1: the middles between neighbouring levels, ascending */
  Int patterns[kLevels<M>];    /* of the levels in ascending order */
};

BCQ_INLINE void exchange(Int* low, Int* high) {
  const Int a = *low, b = *high;
  *low = smaller(a, b);
  *high = larger(a, b);
}

/* Bitonic sorting network of N keys. */
template <int N>
BCQ_INLINE void sort_keys(Int* keys) {
#pragma GCC unroll 8
  for (int size = 2; size <= N; size *= 2) {
#pragma GCC unroll 8
    for (int begin = 0; begin < N; begin += size) {
#pragma GCC unroll 8
      for (int i = 0; i < size / 2; ++i) {
        exchange(keys + begin + i, keys + begin + size - 1 - i);
      }
    }
#pragma GCC unroll 8
    for (int step = size / 4; step > 0; step /= 2) {
#pragma GCC unroll 8
      for (int i = 0; i < N; ++i) {
        if ((i & step) == 0) exchange(keys + i, keys + i + step);
      }
    }
  }
}

template <int M, bool kOffset>
static void sort_levels(const Real* params, Levels<M>* out) {
  constexpr int K = kLevels<M>;
  // With an offset levels are counted from the lowest one, so that none is negative.
  Real base = params[0], shift = {};
  if (kOffset) {
    base = Real{};
    for (int i = 1; i < M; ++i) base += magnitude(params[i]);
    shift = params[0] - base;
  }
  Real values[K];
  values[0] = base;
  for (int i = 1, count = 1; i < M; ++i, count *= 2) {
    for (int k = 0; k < count; ++k) {
      values[count + k] = values[k] - params[i];
      values[k] += params[i];
    }
  }
  // The bits of a double that is not negative, read as an integer, keep its order. The lowest bits
  // make room for the pattern, which so travels through the sort.
  constexpr int64_t kMask = 2 * K - 1;
  Int* keys = out->patterns;
  for (int k = 0; k < K; ++k) {
    keys[k] = ((Int)magnitude(values[k]) & ~kMask) | k;
    if (!kOffset) keys[k] |= (values[k] < 0) & K;
  }
  sort_keys<K>(keys);
  for (int k = 0; k + 1 < K; ++k) {
    const Int low = keys[k] & ~kMask, high = keys[k + 1] & ~kMask;
    out->thresholds[k] = ((Real)low + (Real)high) * 0.5 + shift;
  }
  for (int k = 0; k < K; ++k) keys[k] &= kMask;
}

/* The signs of a pattern as bits: bit i is 1 where plane i has +1. */
template <int M, bool kOffset>
static int64_t pattern_code(int64_t pattern) {
  constexpr int64_t K = kLevels<M>;
  if (kOffset) return K - 1 - pattern;
  return pattern < K ? 2 * K - 1 - 2 * pattern : 2 * (pattern - K);
}
