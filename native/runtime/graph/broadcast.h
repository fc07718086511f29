/* NumPy's broadcasting: axes from the last one on, of which those of length 1 are repeated. */
#ifndef BCQ_RUNTIME_GRAPH_BROADCAST_H_
#define BCQ_RUNTIME_GRAPH_BROADCAST_H_

#include "runtime/graph/array.h"

namespace bcq::graph {

/* The shape of both together; throws Failure where they do not go together. */
Shape broadcast(const Shape& a, const Shape& b);

/* Strides of an array as if it had the shape `whole`, to which it is repeated: 0 for these axes.
 * Throws Failure where it cannot be. */
void broadcast_strides(const Shape& shape, const Shape& whole, int64_t* strides);

/* Some arrays that are repeated to one shape, row by row of it. */
template <int kArrays>
class Rows {
 public:
  Rows(const Shape& whole, const Shape* const (&shapes)[kArrays]) {
    int64_t strides[kArrays][kMostAxes];
    for (int i = 0; i < kArrays; ++i) broadcast_strides(*shapes[i], whole, strides[i]);
    for (int axis = 0; axis < whole.rank; ++axis) {
      empty_ = empty_ || whole[axis] == 0;
      if (whole[axis] != 1) add(whole[axis], strides, axis);
    }
    if (rank_ == 0) {
      lengths_[rank_++] = 1;
      for (int i = 0; i < kArrays; ++i) strides_[i][0] = 1;
    }
  }

  /* Of an array within a row: 1, or 0 where one number is repeated. */
  int64_t step(int array) const { return strides_[array][rank_ - 1]; }

  /* Calls row(place in the whole, places in the arrays, numbers). */
  template <class Row>
  void each(const Row& row) const {
    if (empty_) return;
    int64_t at[kMostAxes] = {}, places[kArrays] = {}, place = 0;
    const int inner = rank_ - 1;
    for (;;) {
      row(place, places, lengths_[inner]);
      place += lengths_[inner];
      int axis = inner - 1;
      for (; axis >= 0; --axis) {
        for (int i = 0; i < kArrays; ++i) places[i] += strides_[i][axis];
        if (++at[axis] < lengths_[axis]) break;
        at[axis] = 0;
        for (int i = 0; i < kArrays; ++i) places[i] -= strides_[i][axis] * lengths_[axis];
      }
      if (axis < 0) return;
    }
  }

 private:
  /* An axis, made one with the one before where it can be. */
  void add(int64_t length, const int64_t (&strides)[kArrays][kMostAxes], int axis) {
    bool merges = rank_ > 0;
    for (int i = 0; i < kArrays && merges; ++i) {
      merges = strides_[i][rank_ - 1] == strides[i][axis] * length;
    }
    if (merges) {
      lengths_[rank_ - 1] *= length;
    } else {
      lengths_[rank_++] = length;
    }
    for (int i = 0; i < kArrays; ++i) strides_[i][rank_ - 1] = strides[i][axis];
  }

  int rank_ = 0;
  bool empty_ = false;
  int64_t lengths_[kMostAxes];
  int64_t strides_[kArrays][kMostAxes];
};

}  // namespace bcq::graph

#endif
