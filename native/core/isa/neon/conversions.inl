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

/* The 16 fields that begin at `from`; reads 16 bytes. */
template <int kBits>
static inline i32x16 read_fields(const uint8_t* from) {
  alignas(64) static constexpr FieldPlaces kPlaces = field_places<kBits>();
  const uint8x16_t row = vld1q_u8(from);
  i32x16 fields;
  for (int i = 0; i < 4; ++i) {
    const uint8x16_t bytes = load<uint8x16_t>((const char*)kPlaces.bytes + 16 * i);
    const int32x4_t shifts = load<int32x4_t>((const char*)kPlaces.shifts + 16 * i);
    const uint32x4_t words = vreinterpretq_u32_u8(vqtbl1q_u8(row, bytes));
    const uint32x4_t field =
        vandq_u32(vshlq_u32(words, vnegq_s32(shifts)), vdupq_n_u32((1 << kBits) - 1));
    store((char*)&fields + 16 * i, field);
  }
  return fields;
}
