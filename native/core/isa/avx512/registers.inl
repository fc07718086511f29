/* What one register holds, and how many there are. What is used again and again stays in registers
 * of this type; compilers keep longer vectors in memory. Included inside the namespace of a set. */
typedef f32x16 RegisterFloats;
typedef u32x16 RegisterWords;
enum { kRegister = 16, kRegisters = 32 };

/* a b + c, rounded once. */
static inline RegisterFloats multiply_add(const RegisterFloats& a, const RegisterFloats& b,
                                          const RegisterFloats& c) {
  return (RegisterFloats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
