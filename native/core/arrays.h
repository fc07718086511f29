/* Sizes, and elements of arrays of a bcq_type. Everything here is `static`: no function is shared
 * between files that are compiled for different instruction sets. */
#ifndef BCQ_CORE_ARRAYS_H_
#define BCQ_CORE_ARRAYS_H_

#include "core/matrix.h"

namespace bcq {

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static inline int64_t divide_up(int64_t a, int64_t b) { return a / b + (a % b != 0); }

static inline bool is_type(int32_t type) {
  return type == BCQ_FLOAT32 || type == BCQ_FLOAT16 || type == BCQ_BFLOAT16;
}

static inline int64_t type_bytes(int32_t type) { return type == BCQ_FLOAT32 ? 4 : 2; }

/* The element `index` of an array of `type`. */
static inline const void* element(const void* array, int32_t type, int64_t index) {
  return (const char*)array + index * type_bytes(type);
}
static inline void* element(void* array, int32_t type, int64_t index) {
  return (char*)array + index * type_bytes(type);
}

}  // namespace bcq

#endif
