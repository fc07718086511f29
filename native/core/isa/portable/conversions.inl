/* Half-precision numbers, and fields of a few bits, to lanes. Included inside the namespace of a
 * set. */

static inline f32x16 half_to_float(const u16x16& h) {
  const u32x16 bits = __builtin_convertvector(h, u32x16);
  const u32x16 sign = (bits & 0x8000u) << 16, rest = bits & 0x7fffu;
  const f32x16 tiny = __builtin_convertvector(rest, f32x16) * 0x1p-24f;  // no denormal floats
  const u32x16 normal = (rest << 13) + (112u << 23), special = (rest << 13) | 0x7f800000u;
  const u32x16 finite = rest < 0x400u ? (u32x16)tiny : normal;
  return (f32x16)((rest >= 0x7c00u ? special : finite) | sign);
}

static inline u16x16 float_to_half(const f32x16& v) {
  const u32x16 bits = (u32x16)v, rest = bits & 0x7fffffffu;
  // Adding .5 leaves a small number's units of 2^-24 in the low bits, rounded.
  const u32x16 tiny = (u32x16)((f32x16)rest + 0.5f) - (126u << 23);
  const u32x16 normal = (rest + 0xfffu + ((rest >> 13) & 1u) - (112u << 23)) >> 13;
  const u32x16 finite = rest < (113u << 23) ? tiny : normal;
  const u32x16 large = rest > 0x7f800000u ? (rest - rest) + 0x7e00u : (rest - rest) + 0x7c00u;
  const u32x16 half = (rest >= 0x477ff000u ? large : finite) | ((bits >> 16) & 0x8000u);
  return __builtin_convertvector(half, u16x16);
}

/* Fields of `bits` bits. */
struct Fields {
  int bits;

  explicit Fields(int of_bits) : bits(of_bits) {}

  /* The 16 that begin at `from`; reads 16 bytes. */
  i32x16 read(const uint8_t* from) const {
    const uint64_t mask = (1u << bits) - 1;
    i32x16 fields;
    for (int half = 0; half < 2; ++half) {
      uint64_t word;
      __builtin_memcpy(&word, from + half * bits, sizeof word);
      for (int i = 0; i < 8; ++i) fields[8 * half + i] = (int32_t)(word >> (bits * i) & mask);
    }
    return fields;
  }
};
