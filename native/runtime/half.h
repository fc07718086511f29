/* Numbers of half precision, float16, as bits. */
#ifndef BCQ_RUNTIME_HALF_H_
#define BCQ_RUNTIME_HALF_H_

#include <cstdint>

namespace bcq::runtime {

float from_half(uint16_t half);
/* The nearest one, of two the even one. */
uint16_t to_half(float x);

}  // namespace bcq::runtime

#endif
