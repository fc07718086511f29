/* The numbers of codes in files: floats of several lengths, and packed fields. */
#ifndef BCQ_RUNTIME_NUMBERS_H_
#define BCQ_RUNTIME_NUMBERS_H_

#include <cstdint>

#include "runtime/tensors.h"

namespace bcq::runtime {

constexpr double kFloatMax = 0x1.fffffep127;
constexpr double kLargestSum = kFloatMax * (1 - 0x1p-20); /* of what is added in float32 */

/* Fields of `bits` bits, 1 to 16, back to back: field c from bit c bits on, bit t being bit t % 8
 * of byte t / 8. */
struct Fields {
  const uint8_t* packed;
  int bits;

  uint32_t operator[](int64_t index) const;
};

/* The bytes that `columns` fields take; -1: more than there can be. */
int64_t field_bytes(int64_t columns, int bits);

/* Whether the bits past the last field of each row are 0. */
bool padded_with_zeros(const uint8_t* packed, int64_t rows, int64_t columns, int bits);

/* Floating numbers: of a tensor of such, or of 9 bits as short scales are. */
class Floats {
 public:
  explicit Floats(const Tensor& tensor) : dtype_(tensor.dtype), data_(tensor.data) {}
  static Floats of_nine_bits(const Tensor& tensor);

  bool are_half() const { return dtype_ == BCQ_F16; } /* those of 9 bits too */
  double operator[](int64_t index) const;

  /* Writes one number to an array of BCQ_FLOAT32, or of BCQ_FLOAT16 where they are that. */
  void write(int64_t index, bcq_type type, void* array, int64_t place) const;

  /* The largest magnitude of `count` numbers from `first` on; infinite where one is no number. */
  double largest(int64_t first, int64_t count) const;

 private:
  uint16_t half(int64_t index) const;

  bcq_dtype dtype_;
  const void* data_;
  bool short_ = false;
};

/* The whole number at a place of a tensor of integers; -1 where it is larger than int64 holds. */
int64_t integer_at(const Tensor& tensor, int64_t index);

}  // namespace bcq::runtime

#endif
