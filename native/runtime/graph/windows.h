/* Windows that move over an array [B, axes, C]; always of three axes, the first ones of length 1
 * where there are fewer. */
#ifndef BCQ_RUNTIME_GRAPH_WINDOWS_H_
#define BCQ_RUNTIME_GRAPH_WINDOWS_H_

#include "runtime/graph/operation.h"

namespace bcq::graph {

struct Windows {
  static constexpr int kAxes = 3;

  int given; /* axes that there are */
  int64_t lengths[kAxes], sizes[kAxes], strides[kAxes], dilations[kAxes];
  int64_t before[kAxes], after[kAxes]; /* what stands around the array */
  int64_t places[kAxes];               /* of the windows */

  /* lengths, sizes: from these axes of the shapes on. dilations, explicit_widths: NULL for 1 and
   * for none. Throws Failure where they break a rule. */
  Windows(const Shape& x, int first_axis, const Shape& window, const std::vector<int64_t>& strides,
          const std::vector<int64_t>* dilations, Padding padding,
          const std::vector<int64_t>* explicit_widths);

  int64_t places_in_all() const { return places[0] * places[1] * places[2]; }
  int64_t size_in_all() const { return sizes[0] * sizes[1] * sizes[2]; }
  int64_t length_in_all() const { return lengths[0] * lengths[1] * lengths[2]; }

  /* [batch, places, channels] */
  Shape result(int64_t batch, int64_t channels) const;

  /* Calls visit(at, number) for each number of a window, `at` of the window and `number` of the
   * array, both counted without batch and channels; -1: beside it. */
  template <class Visit>
  void each(int64_t place, const Visit& visit) const {
    int64_t first[kAxes];
    for (int axis = kAxes - 1; axis >= 0; --axis) {
      first[axis] = place % places[axis] * strides[axis] - before[axis];
      place /= places[axis];
    }
    int64_t at = 0;
    for (int64_t i = 0; i < sizes[0]; ++i) {
      const int64_t z = first[0] + i * dilations[0];
      for (int64_t j = 0; j < sizes[1]; ++j) {
        const int64_t y = first[1] + j * dilations[1];
        const bool has_row = is_in(z, 0) && is_in(y, 1);
        for (int64_t k = 0; k < sizes[2]; ++k) {
          const int64_t x = first[2] + k * dilations[2];
          visit(at++, has_row && is_in(x, 2) ? (z * lengths[1] + y) * lengths[2] + x : -1);
        }
      }
    }
  }

 private:
  bool is_in(int64_t i, int axis) const { return i >= 0 && i < lengths[axis]; }
  void pad(Padding padding, const std::vector<int64_t>* explicit_widths);
};

}  // namespace bcq::graph

#endif
