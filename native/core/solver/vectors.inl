/* Eight doubles at once, by the vector extension of GCC and Clang: the compiler makes of it what
 * the instruction set has. Included inside the namespace of a set; its searches.inl follows. */

typedef double Real __attribute__((vector_size(64)));
typedef int64_t Int __attribute__((vector_size(64)));

constexpr int kLanes = 8;
constexpr Int kSign = Int{} + INT64_MIN;

#define BCQ_INLINE static inline __attribute__((always_inline))

BCQ_INLINE Real splat(double x) { return Real{} + x; }
BCQ_INLINE Real magnitude(Real x) { return (Real)((Int)x & ~kSign); }
BCQ_INLINE Real smaller(Real a, Real b) { return a < b ? a : b; }
BCQ_INLINE Real larger(Real a, Real b) { return a > b ? a : b; }
BCQ_INLINE Int smaller(Int a, Int b) { return a < b ? a : b; }
BCQ_INLINE Int larger(Int a, Int b) { return a > b ? a : b; }
BCQ_INLINE Real to_real(Int x) { return __builtin_convertvector(x, Real); }

BCQ_INLINE Real load(const double* from) {
  Real x;
  memcpy(&x, from, sizeof(x));
  return x;
}
BCQ_INLINE void store(double* to, Real x) { memcpy(to, &x, sizeof(x)); }

BCQ_INLINE double total(Real x) {
  double sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += x[i];
  return sum;
}
