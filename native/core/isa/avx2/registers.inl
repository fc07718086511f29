/* What one register holds, and how many there are. What is used again and again stays in registers
 * of this type; compilers keep longer vectors in memory. Included inside the namespace of a set. */
typedef f32x8 RegisterFloats;
typedef u32x8 RegisterWords;
enum { kRegister = 8, kRegisters = 16 };

/* a b + c, rounded once. */
static inline RegisterFloats multiply_add(const RegisterFloats& a, const RegisterFloats& b,
                                          const RegisterFloats& c) {
  return (RegisterFloats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
