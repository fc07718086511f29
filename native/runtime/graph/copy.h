/* Copies between arrays of any strides. */
#ifndef BCQ_RUNTIME_GRAPH_COPY_H_
#define BCQ_RUNTIME_GRAPH_COPY_H_

#include <cstdint>

#include "runtime/graph/array.h"

namespace bcq::graph {

/* The axes of a copy with what lies between their elements, in elements. */
struct CopyAxes {
  static constexpr int kMost = 2 * kMostAxes;

  int rank = 0;
  int64_t lengths[kMost];
  int64_t from[kMost], to[kMost];

  void add(int64_t length, int64_t from_stride, int64_t to_stride) {
    lengths[rank] = length;
    from[rank] = from_stride;
    to[rank++] = to_stride;
  }
  /* All axes of a shape, of which both stand in arrays as strides_of() says. */
  void add(const Shape& shape, const int64_t* from_strides, const int64_t* to_strides) {
    for (int i = 0; i < shape.rank; ++i) add(shape[i], from_strides[i], to_strides[i]);
  }
};

/* from[i] -> to[i], of items of 1, 2, 4 or 8 bytes; the arrays do not overlap. */
void copy(int64_t item_bytes, CopyAxes axes, const char* from, char* to);

/* A whole contiguous array of this shape, whose elements stand in `from` by these strides. */
void gather_strided(int64_t item_bytes, const Shape& shape, const int64_t* strides,
                    const char* from, char* to);

}  // namespace bcq::graph

#endif
