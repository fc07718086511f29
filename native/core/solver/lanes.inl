/* Eight doubles at once, by the vector extension of GCC and Clang: the compiler makes of it what
 * the instruction set has. Only look-ups are written out. */

typedef double Real __attribute__((vector_size(64)));
typedef int64_t Int __attribute__((vector_size(64)));

constexpr int kLanes = 8;
constexpr Int kSign = Int{} + INT64_MIN;

#define BCQ_INLINE static inline __attribute__((always_inline))

BCQ_INLINE Real Splat(double x) { return Real{} + x; }
BCQ_INLINE Real Abs(Real x) { return (Real)((Int)x & ~kSign); }
BCQ_INLINE Real Min(Real a, Real b) { return a < b ? a : b; }
BCQ_INLINE Real Max(Real a, Real b) { return a > b ? a : b; }
BCQ_INLINE Int Min(Int a, Int b) { return a < b ? a : b; }
BCQ_INLINE Int Max(Int a, Int b) { return a > b ? a : b; }
BCQ_INLINE Real Convert(Int x) { return __builtin_convertvector(x, Real); }

BCQ_INLINE Real Load(const double* from) {
  Real x;
  memcpy(&x, from, sizeof(x));
  return x;
}
BCQ_INLINE void Store(double* to, Real x) { memcpy(to, &x, sizeof(x)); }

BCQ_INLINE double Sum(Real x) {
  double sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += x[i];
  return sum;
}

/* table[index[i]] */
BCQ_INLINE Real Gather(const double* table, Int index) {
#if defined(__AVX512F__)
  return (Real)_mm512_mask_i64gather_pd(_mm512_setzero_pd(), 0xff, (__m512i)index, table, 8);
#else
  Real found;
  for (int i = 0; i < kLanes; ++i) found[i] = table[index[i]];
  return found;
#endif
}

/* The same for a table of 16 entries, aligned to 64 bytes. */
BCQ_INLINE Real Gather16(const double* table, Int index) {
#if defined(__AVX512F__)
  return (Real)_mm512_permutex2var_pd(_mm512_load_pd(table), (__m512i)index,
                                      _mm512_load_pd(table + 8));
#else
  return Gather(table, index);
#endif
}
