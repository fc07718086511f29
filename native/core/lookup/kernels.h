/* What is done with some rows of packed integers at once, one set of functions for each instruction
 * set. */
#ifndef BCQ_CORE_LOOKUP_KERNELS_H_
#define BCQ_CORE_LOOKUP_KERNELS_H_

#include "core/arrays.h"
#include "core/lookup/lookup.h"

namespace bcq {

enum {
  kLookupRows = 64, /* rows that are worked on together, at most */
  kStrip = 64,      /* columns that are */
  kFields = 16      /* fields that are unpacked at once */
};

static inline int64_t strips(const bcq_compositional* t) { return divide_up(t->columns, kStrip); }
static inline int64_t all_vectors(const bcq_compositional* t) { return t->count * t->entries; }

/* Indexes of a row as they are unpacked: all, and some numbers that mean nothing. */
static inline int64_t index_stride(const bcq_compositional* t) {
  return divide_up(t->count, 16) * 16;
}

struct LookupKernels {
  /* The values of `count` rows, out [count][columns]; rows of zeros are as the others. */
  void (*levels)(const bcq_uniform*, const int64_t* rows, int64_t count, float* out);
  /* Which of the codebooks' vectors, counted through all of them, make up `count` rows: vectors
   * [count][index_stride]. False: an index is too large. */
  bool (*indexes)(const bcq_compositional*, const int64_t* rows, int64_t count, int32_t* vectors);
  /* Strip `strip` of the codebooks as float32, packed [vectors][kStrip], aligned to 64 bytes: what
   * is added in a strip stands together, in whole cache lines. Tables of 16 columns or more. */
  void (*pack)(const bcq_compositional*, int64_t strip, float* packed);
  /* The sums of these vectors, out [count][columns]. packed [strips][vectors][kStrip], or NULL:
   * then the codebooks are read. */
  void (*sum)(const bcq_compositional*, const int32_t* vectors, int64_t count, const float* packed,
              float* out);
};

/* kFields fields of up to 8 bits, from a whole byte on: the bytes that hold each, its place there.
 */
struct FieldPlaces {
  uint8_t bytes[4 * kFields]; /* 4 a lane, the first two of which matter */
  int32_t shifts[kFields];
};

static constexpr FieldPlaces field_places(int bits) {
  FieldPlaces places = {};
  for (int i = 0; i < kFields; ++i) {
    const int first = i * bits / 8;
    for (int b = 0; b < 4; ++b) places.bytes[4 * i + b] = first + b < 15 ? first + b : 15;
    places.shifts[i] = i * bits % 8;
  }
  return places;
}

/* By the bits of a field, less one. */
static constexpr FieldPlaces kFieldPlaces[8] = {field_places(1), field_places(2), field_places(3),
                                                field_places(4), field_places(5), field_places(6),
                                                field_places(7), field_places(8)};

}  // namespace bcq

#endif
