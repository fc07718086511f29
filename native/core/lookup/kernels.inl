/* Rows of packed integers. Included inside the namespace of a set, after numbers.inl. */

namespace lookup {

enum { kAhead = 8, kVectors = kStrip / kLanes }; /* rows fetched ahead; vectors of a strip */

/* Those of which not all 16 bytes may be within the table. */
static inline i32x16 read_last(const Fields& fields, const uint8_t* from, const uint8_t* end) {
  if (end - from >= 16) return fields.read(from);
  uint8_t bytes[16] = {};
  __builtin_memcpy(bytes, from, end - from);
  return fields.read(bytes);
}

static inline void fetch_row(const uint8_t* row, int64_t width) {
  for (int64_t b = 0; b < width; b += 64) __builtin_prefetch(row + b);
}

static void levels(const bcq_uniform* t, const int64_t* rows, int64_t count, float* out) {
  const Fields fields(t->bits);
  const int32_t last_level = (1 << t->bits) - 1, step = 2 * t->bits; /* bytes of 16 fields */
  const int64_t columns = t->columns, width = divide_up(columns * t->bits, 8);
  const uint8_t* end = t->packed + t->rows * width;
  const float* last = out + count * columns;
  const float half_step = t->half_step;
  for (int64_t i = 0; i < count; ++i) {
    if (i + kAhead < count) fetch_row(t->packed + rows[i + kAhead] * width, width);
    const uint8_t* from = t->packed + rows[i] * width;
    float* to = out + i * columns;
    const auto values = [=](const i32x16& k) {
      return __builtin_convertvector(2 * k - last_level, f32x16) * half_step;
    };
    int64_t c = 0;
    // What is written past the end of a row is where the next one goes.
    if (end - from >= width + 16 && last - to >= columns + kLanes) {
      for (; c < columns; c += kLanes, from += step) {
        store(to + c, values(fields.read(from)));
      }
    }
    for (; c < columns; c += kLanes, from += step) {
      const f32x16 some = values(read_last(fields, from, end));
      __builtin_memcpy(to + c, &some, smaller(kLanes, columns - c) * sizeof(float));
    }
  }
}

/* Indexes of up to 8 bits. */
static bool short_indexes(const bcq_compositional* t, const int64_t* rows, int64_t count,
                          int32_t* vectors) {
  const i32x16 lanes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const int32_t entries = (int32_t)t->entries, last = entries - 1;
  const int64_t stride = index_stride(t), width = divide_up(t->count * t->bits, 8);
  const int step = 2 * t->bits; /* bytes of 16 fields */
  const Fields fields(t->bits);
  const uint8_t* end = t->packed + t->rows * width;
  i32x16 wrong = {};
  for (int64_t i = 0; i < count; ++i, vectors += stride) {
    if (i + kAhead < count) fetch_row(t->packed + rows[i + kAhead] * width, width);
    const uint8_t* from = t->packed + rows[i] * width;
    for (int64_t m = 0; m < t->count; m += kLanes, from += step) {
      const i32x16 some = read_last(fields, from, end);
      // Below 0 where the field is too large and is one of the row's.
      wrong |= (last - some) & (lanes - (int32_t)smaller(t->count - m, kLanes));
      // Unsigned: past the last codebook they may wrap round, and mean nothing.
      const u32x16 first = (u32x16)(lanes + (int32_t)m) * (uint32_t)entries;
      store(vectors + m, (i32x16)((u32x16)some + first));
    }
  }
  int32_t any = 0;
  for (int i = 0; i < kLanes; ++i) any |= wrong[i];
  return any >= 0;
}

/* Indexes of any number of bits, a byte after the other. */
static bool long_indexes(const bcq_compositional* t, const int64_t* rows, int64_t count,
                         int32_t* vectors) {
  const int64_t stride = index_stride(t), width = divide_up(t->count * t->bits, 8);
  const uint32_t mask = (1u << t->bits) - 1;
  bool fit = true;
  for (int64_t i = 0; i < count; ++i) {
    const uint8_t* from = t->packed + rows[i] * width;
    uint32_t held = 0;
    int32_t held_bits = 0;
    for (int64_t m = 0; m < t->count; ++m) {
      for (; held_bits < t->bits; held_bits += 8) held |= (uint32_t)*from++ << held_bits;
      const uint32_t index = held & mask;
      fit &= index < t->entries;
      vectors[i * stride + m] = (int32_t)(m * t->entries + index);
      held >>= t->bits;
      held_bits -= t->bits;
    }
  }
  return fit;
}

/* Where the parts of strip `strip` of a row begin; returns how many there are. The last 16 columns
 * are a part too: some may be in two, which gives them the same sums. */
static inline int parts_of(const bcq_compositional* t, int64_t strip, int64_t* at) {
  int found = 0;
  for (int64_t c = strip * kStrip; c < t->columns && found < kVectors; c += kLanes) {
    at[found++] = smaller(c, t->columns - kLanes);
  }
  return found;
}

static void pack(const bcq_compositional* t, int64_t strip, float* packed) {
  int64_t at[kVectors];
  const int parts = parts_of(t, strip, at);
  for (int64_t v = 0; v < all_vectors(t); ++v, packed += kStrip) {
    for (int i = 0; i < parts; ++i) {
      const void* from = element(t->codebooks, t->type, v * t->columns + at[i]);
      store(packed + i * kLanes, load_lanes(from, t->type));
    }
  }
}

/* The columns at[0 ... kCount - 1] and 15 after each; those of vector v are at from[...] + v step
 * bytes. Sums are in registers: compilers keep arrays of longer vectors in memory. */
template <bcq_type kType, int kCount>
static void sum_strip(const bcq_compositional* t, const int32_t* vectors, int64_t count,
                      const void* const* from, int64_t step, const int64_t* at, float* out) {
  constexpr int kParts = kLanes / kRegister;
  const int64_t stride = index_stride(t), codebooks = t->count;
  for (int64_t i = 0; i < count; ++i, vectors += stride, out += t->columns) {
    RegisterFloats sums[kCount][kParts] = {};
    for (int64_t m = 0; m < codebooks; ++m) {
      const int64_t byte = vectors[m] * step;
#pragma GCC unroll 4
      for (int p = 0; p < kCount; ++p) {
        const char* const values = (const char*)from[p] + byte;
        f32x16 lanes;
        if (kType != BCQ_FLOAT32) lanes = load_lanes(values, kType);
        const char* const floats = kType == BCQ_FLOAT32 ? values : (const char*)&lanes;
#pragma GCC unroll 4
        for (int r = 0; r < kParts; ++r) {
          sums[p][r] += load<RegisterFloats>(floats + r * sizeof(RegisterFloats));
        }
      }
    }
#pragma GCC unroll 4
    for (int p = 0; p < kCount; ++p) {
#pragma GCC unroll 4
      for (int r = 0; r < kParts; ++r) store(out + at[p] + r * kRegister, sums[p][r]);
    }
  }
}

/* Fewer than 16 columns. */
template <bcq_type kType>
static void sum_few(const bcq_compositional* t, const int32_t* vectors, int64_t count, float* out) {
  const int64_t columns = t->columns, stride = index_stride(t);
  const int64_t whole = t->count * t->entries * columns - kLanes; /* the last that can be loaded */
  const float* last = out + count * columns;
  for (int64_t i = 0; i < count; ++i, vectors += stride, out += columns) {
    f32x16 sums = {};
    for (int64_t m = 0; m < t->count; ++m) {
      const int64_t at = vectors[m] * columns;
      const void* from = element(t->codebooks, kType, at);
      sums += at <= whole ? load_lanes(from, kType) : load_some(from, kType, columns);
    }
    if (last - out >= kLanes) {
      store(out, sums); /* what is too much is where the next rows go */
    } else {
      __builtin_memcpy(out, &sums, columns * sizeof(float));
    }
  }
}

template <bcq_type kType>
static void sum_of(const bcq_compositional* t, const int32_t* vectors, int64_t count,
                   const float* packed, float* out) {
  static constexpr decltype(&sum_strip<kType, 1>) kSum[kVectors] = {
      sum_strip<kType, 1>, sum_strip<kType, 2>, sum_strip<kType, 3>, sum_strip<kType, 4>};
  const int64_t columns = packed == nullptr ? t->columns : (int64_t)kStrip;
  for (int64_t strip = 0; strip < strips(t); ++strip) {
    int64_t at[kVectors];
    const void* from[kVectors];
    const int parts = parts_of(t, strip, at);
    for (int p = 0; p < parts; ++p) {
      from[p] = packed == nullptr ? element(t->codebooks, kType, at[p])
                                  : packed + strip * all_vectors(t) * kStrip + p * kLanes;
    }
    kSum[parts - 1](t, vectors, count, from, columns * type_bytes(kType), at, out);
  }
}

static bool indexes(const bcq_compositional* t, const int64_t* rows, int64_t count,
                    int32_t* vectors) {
  return (t->bits <= 8 ? short_indexes : long_indexes)(t, rows, count, vectors);
}

static void sum(const bcq_compositional* t, const int32_t* vectors, int64_t count,
                const float* packed, float* out) {
  const bool floats = packed != nullptr || t->type == BCQ_FLOAT32;
  if (t->columns < kLanes) {
    (floats ? sum_few<BCQ_FLOAT32> : sum_few<BCQ_FLOAT16>)(t, vectors, count, out);
  } else {
    (floats ? sum_of<BCQ_FLOAT32> : sum_of<BCQ_FLOAT16>)(t, vectors, count, packed, out);
  }
}

static constexpr LookupKernels kKernels = {levels, indexes, pack, sum};

}  // namespace lookup

extern const LookupKernels kLookup = lookup::kKernels;
