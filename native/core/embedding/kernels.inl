/* Many short rows. Included inside the namespace of a set, after numbers.inl. Lengths up to 16 have
 * a function each, in which the compiler knows the length. */

namespace embedding {

enum { kAhead = 8 }; /* places before it is needed that a row is fetched from memory */

template <int64_t kBytes>
static void copy_fixed(const Place* places, int64_t count, const char* table, char* out,
                       int64_t stride, int64_t) {
  for (int64_t i = 0; i < count; ++i) {
    if (i + kAhead < count) __builtin_prefetch(table + places[i + kAhead].element);
    __builtin_memcpy(out + places[i].row * stride, table + places[i].element, kBytes);
  }
}

static void copy_long(const Place* places, int64_t count, const char* table, char* out,
                      int64_t stride, int64_t bytes) {
  for (int64_t i = 0; i < count; ++i) {
    char* to = out + places[i].row * stride;
    const char* from = table + places[i].element;
    int64_t b = 0;
    for (; b + 64 <= bytes; b += 64) store(to + b, load<f32x16>(from + b));
    __builtin_memcpy(to + b, from + b, bytes - b);
  }
}

/* sums[0 ... kColumns - 1] += d, where d are as many numbers of `type`. */
template <bcq_type kType, int64_t kColumns>
static inline void add_short(const char* d, float* sums) {
  if (kType == BCQ_FLOAT32) {
    for (int64_t c = 0; c < kColumns; ++c) {
      float value;
      __builtin_memcpy(&value, d + 4 * c, 4);
      sums[c] += value;
    }
  } else {
    const f32x16 values = load_some(d, kType, kColumns);
    for (int64_t c = 0; c < kColumns; ++c) sums[c] += values[c];
  }
}

/* Rows of 16 * n + kLast columns. */
template <bcq_type kType, int64_t kLast>
static void add_rows(const Place* places, int64_t count, const char* dout, int64_t stride,
                     int64_t columns, float* sums) {
  for (int64_t i = 0; i < count; ++i) {
    const char* d = dout + places[i].row * stride;
    float* to = sums + places[i].element;
    if (i + kAhead < count) __builtin_prefetch(sums + places[i + kAhead].element, 1);
    for (int64_t whole = columns / kLanes; whole > 0; --whole) {
      store(to, load<f32x16>(to) + load_lanes(d, kType));
      to += kLanes;
      d += kLanes * type_bytes(kType);
    }
    add_short<kType, kLast>(d, to);
  }
}

typedef void (*AddRows)(const Place*, int64_t, const char*, int64_t, int64_t, float*);

#define BCQ_16(F, T) \
  F(T, 0), F(T, 1), F(T, 2), F(T, 3), F(T, 4), F(T, 5), F(T, 6), F(T, 7), F(T, 8), F(T, 9), \
      F(T, 10), F(T, 11), F(T, 12), F(T, 13), F(T, 14), F(T, 15)
#define BCQ_ADD(T, N) add_rows<T, N>
#define BCQ_COPY(BASE, N) copy_fixed<2 * (BASE + N)>

static void copy(const Place* places, int64_t count, const char* table, char* out, int64_t stride,
                 int64_t bytes) {
  static constexpr decltype(&copy) kShort[] = {BCQ_16(BCQ_COPY, 0), BCQ_16(BCQ_COPY, 16),
                                               copy_fixed<64>};
  (bytes <= 64 ? kShort[bytes / 2] : copy_long)(places, count, table, out, stride, bytes);
}

static void add(const Place* places, int64_t count, bcq_type type, const void* dout, int64_t stride,
                int64_t columns, float* sums) {
  static constexpr AddRows kAdd[3][kLanes] = {{BCQ_16(BCQ_ADD, BCQ_FLOAT32)},
                                              {BCQ_16(BCQ_ADD, BCQ_FLOAT16)},
                                              {BCQ_16(BCQ_ADD, BCQ_BFLOAT16)}};
  kAdd[type][columns % kLanes](places, count, static_cast<const char*>(dout),
                               stride * type_bytes(type), columns, sums);
}

static void round(const float* from, int64_t count, bcq_type type, void* to) {
  const int64_t whole = count / kLanes * kLanes;
  from_floats(from, type, whole, to);
  float last[kLanes] = {};
  __builtin_memcpy(last, from + whole, (count - whole) * sizeof(float));
  from_floats(last, type, count - whole, element(to, type, whole));
}

static constexpr EmbeddingKernels kKernels = {copy, add, round};

}  // namespace embedding

extern const EmbeddingKernels kEmbedding = embedding::kKernels;
