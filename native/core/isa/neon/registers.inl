/* What one register holds, and how many there are. What is used again and again stays in registers
 * of this type; compilers keep longer vectors in memory. Included inside the namespace of a set. */
typedef f32x4 RegisterFloats;
typedef u32x4 RegisterWords;
enum { kRegister = 4, kRegisters = 32 };

/* a b + c, rounded once. */
static inline RegisterFloats multiply_add(const RegisterFloats& a, const RegisterFloats& b,
                                          const RegisterFloats& c) {
  return (RegisterFloats)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
