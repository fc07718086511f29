/* What one register holds, and how many there are. What is used again and again stays in registers
 * of this type; compilers keep longer vectors in memory. Included inside the namespace of a set. */
typedef f32x4 RegisterFloats;
typedef u32x4 RegisterWords;
enum { kRegister = 4, kRegisters = 16 };

/* a b + c. */
static inline RegisterFloats multiply_add(const RegisterFloats& a, const RegisterFloats& b,
                                          const RegisterFloats& c) {
  return a * b + c;
}
