/* Numbers of any bcq_type to lanes and back. Included inside the namespace of a set, after its
 * conversions. */

static inline f32x16 bfloat_to_float(const u16x16& b) {
  return (f32x16)(__builtin_convertvector(b, u32x16) << 16);
}

static inline u16x16 float_to_bfloat(const f32x16& v) {
  const u32x16 bits = (u32x16)v;
  const u32x16 rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const u32x16 nan = (bits >> 16) | 0x40u;
  return __builtin_convertvector((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded, u16x16);
}

static inline f32x16 load_lanes(const void* from, int32_t type) {
  if (type == BCQ_FLOAT32) return load<f32x16>(from);
  const u16x16 bits = load<u16x16>(from);
  return type == BCQ_FLOAT16 ? half_to_float(bits) : bfloat_to_float(bits);
}

static inline void store_lanes(void* to, int32_t type, const f32x16& v) {
  if (type == BCQ_FLOAT32) return store(to, v);
  store(to, type == BCQ_FLOAT16 ? float_to_half(v) : float_to_bfloat(v));
}

/* The first lanes of up to 16 numbers, then zeros. */
static inline f32x16 load_some(const void* from, int32_t type, int64_t count) {
  if (count >= kLanes) return load_lanes(from, type);
  float lanes[kLanes] = {};
  if (count > 0) __builtin_memcpy(lanes, from, count * type_bytes(type));
  return load_lanes(lanes, type);
}

/* `count` numbers as float32, then zeros up to a multiple of 16. */
static inline void to_floats(const void* from, int32_t type, int64_t count, float* to) {
  for (int64_t i = 0; i < count; i += kLanes) {
    store(to + i, load_some(element(from, type, i), type, count - i));
  }
}

/* The first `count` of the floats as `type`; reads up to a multiple of 16. */
static inline void from_floats(const float* from, int32_t type, int64_t count, void* to) {
  for (int64_t i = 0; i < count; i += kLanes) {
    const f32x16 v = load<f32x16>(from + i);
    if (count - i >= kLanes) {
      store_lanes(element(to, type, i), type, v);
      continue;
    }
    float last[kLanes];
    store_lanes(last, type, v);
    __builtin_memcpy(element(to, type, i), last, (count - i) * type_bytes(type));
  }
}
