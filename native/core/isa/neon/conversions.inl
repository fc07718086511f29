/* Half-precision numbers, and fields of a few bits, to lanes. Included inside the namespace of a
 * set. */

static inline f32x16 half_to_float(const u16x16& h) {
  f32x16 v;
  for (int i = 0; i < 4; ++i) {
    const float16x4_t part = load<float16x4_t>((const char*)&h + 8 * i);
    store((char*)&v + 16 * i, vcvt_f32_f16(part));
  }
  return v;
}

static inline u16x16 float_to_half(const f32x16& v) {
  u16x16 h;
  for (int i = 0; i < 4; ++i) {
    const float32x4_t part = load<float32x4_t>((const char*)&v + 16 * i);
    store((char*)&h + 8 * i, vcvt_f16_f32(part));
  }
  return h;
}

/* Fields of `bits` bits. */
struct Fields {
  uint8x16_t bytes[4];
  int32x4_t shifts[4]; /* to the left */
  uint32x4_t mask;

  explicit Fields(int bits) : mask(vdupq_n_u32((1u << bits) - 1)) {
    const FieldPlaces& places = kFieldPlaces[bits - 1];
    for (int i = 0; i < 4; ++i) {
      bytes[i] = load<uint8x16_t>((const char*)places.bytes + 16 * i);
      shifts[i] = vnegq_s32(load<int32x4_t>((const char*)places.shifts + 16 * i));
    }
  }

  /* The 16 that begin at `from`; reads 16 bytes. */
  i32x16 read(const uint8_t* from) const {
    const uint8x16_t row = vld1q_u8(from);
    i32x16 fields;
    for (int i = 0; i < 4; ++i) {
      const uint32x4_t words = vreinterpretq_u32_u8(vqtbl1q_u8(row, bytes[i]));
      store((char*)&fields + 16 * i, vandq_u32(vshlq_u32(words, shifts[i]), mask));
    }
    return fields;
  }
};
