/* Arithmetic of 16 lanes. Included inside the namespace of a set. */

/* Lanes 0 to 7, and 8 to 15, as double. (The compiler's own conversions take detours.) */
static inline f64x8 widen_low(const f32x16& v) {
  return __builtin_convertvector(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7), f64x8);
}
static inline f64x8 widen_high(const f32x16& v) {
  return __builtin_convertvector(__builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15),
                                 f64x8);
}

static inline f32x16 narrow(const f64x8& low, const f64x8& high) {
  const f32x8 a = __builtin_convertvector(low, f32x8), b = __builtin_convertvector(high, f32x8);
  return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

static inline f64x8 load_doubles(const int32_t* from) {
  return __builtin_convertvector(load<i32x8>(from), f64x8);
}
static inline f64x8 load_doubles(const float* from) {
  return __builtin_convertvector(load<f32x8>(from), f64x8);
}

/* The nearest integers, ties to even; below 2^31 in magnitude. */
static inline i32x16 nearest(const f32x16& v) {
  // Added to 1.5 2^52, the integers stand in the low bits of the sums.
  const u32x8 a = __builtin_convertvector((u64x8)(widen_low(v) + 0x1.8p52), u32x8);
  const u32x8 b = __builtin_convertvector((u64x8)(widen_high(v) + 0x1.8p52), u32x8);
  return (i32x16)__builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
                                         15);
}
