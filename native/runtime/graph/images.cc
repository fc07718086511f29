/* Images of another size: x [B, height, width, C]. */
#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/graph/dtypes.h"
#include "runtime/graph/integers.h"
#include "runtime/graph/operations.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

namespace {

/* Pixels of an axis, of which so many are wanted. */
struct Scaling {
  int64_t length, wanted;
  bool corners, centers;

  float scale() const {
    if (corners && wanted > 1) {
      return static_cast<float>(length - 1) / static_cast<float>(wanted - 1);
    }
    return static_cast<float>(length) / static_cast<float>(wanted);
  }

  int64_t within(float place) const {
    const float last = static_cast<float>(length - 1);
    return std::min(static_cast<int64_t>(std::min(std::max(place, 0.0f), last)), length - 1);
  }

  int64_t nearest(int64_t i) const {
    if (centers) { /* in double, as NumPy has it */
      const double place = std::floor((static_cast<double>(i) + 0.5) * scale());
      return within(static_cast<float>(place));
    }
    const float place = static_cast<float>(i) * scale();
    return within(corners ? std::rint(place) : std::floor(place));
  }

  /* Where a pixel stands among those that there are. */
  float place(int64_t i) const {
    const float number = static_cast<float>(i);
    return centers ? (number + 0.5f) * scale() - 0.5f : number * scale();
  }
};

/* The places along an axis that are wanted, for checked inputs. */
Scaling scaling_of(const Node& node, const Array& x, const Few& lengths, int axis) {
  const Scaling scaling = {x.shape[axis], lengths[axis - 1], node[0].integer != 0,
                           node[1].integer != 0};
  if (scaling.wanted < 0 || (scaling.length == 0 && scaling.wanted > 0)) {
    fail("of ", x.shape, " no image of ", scaling.wanted, " is made");
  }
  return scaling;
}

Few check(const Array* in) {
  check_numbers(in[0]);
  const Few lengths(in[1]);
  if (in[0].rank() != 4 || lengths.count != 2) fail(in[0].shape, " are no images");
  return lengths;
}

/* x with another length of an axis, and how often its rows are there. */
struct Resized {
  Array array;
  int64_t rows, inner;

  Resized(Context& context, const Array& x, int axis, int64_t wanted) {
    Shape shape = x.shape;
    shape[axis] = wanted;
    array = context.make(x.dtype, shape);
    rows = array.count == 0 ? 0 : shape.count(0, axis);
    inner = shape.count(axis + 1, shape.rank);
  }
};

Array nearest(Context& context, const Array& x, int axis, const Scaling& scaling) {
  Resized to(context, x, axis, scaling.wanted);
  const int64_t bytes = to.inner * x.item_bytes();
  char* at = to.array.data;
  for (int64_t row = 0; row < to.rows; ++row) {
    const char* const from = x.data + row * scaling.length * bytes;
    for (int64_t i = 0; i < scaling.wanted; ++i, at += bytes) {
      std::memcpy(at, from + scaling.nearest(i) * bytes, static_cast<size_t>(bytes));
    }
  }
  return to.array;
}

Array between(Context& context, const Array& x, int axis, const Scaling& scaling) {
  Resized to(context, x, axis, scaling.wanted);
  float* at = to.array.numbers<float>();
  for (int64_t row = 0; row < to.rows; ++row) {
    const float* const from = x.numbers<float>() + row * scaling.length * to.inner;
    for (int64_t i = 0; i < scaling.wanted; ++i, at += to.inner) {
      const float place = scaling.place(i), below = std::floor(place), share = place - below;
      const float* const low = from + scaling.within(below) * to.inner;
      const float* const high = from + scaling.within(below + 1) * to.inner;
      for (int64_t j = 0; j < to.inner; ++j) at[j] = low[j] + (high[j] - low[j]) * share;
    }
  }
  return to.array;
}

void resize_nearest(Context& context, const Node& node, Array* in, Array* out) {
  const Few lengths = check(in);
  const Array high = nearest(context, in[0], 1, scaling_of(node, in[0], lengths, 1));
  *out = nearest(context, high, 2, scaling_of(node, high, lengths, 2));
}

void resize_bilinear(Context& context, const Node& node, Array* in, Array* out) {
  const Few lengths = check(in);
  const Array x = as_dtype(context, in[0], BCQ_F32);
  const Array high = between(context, x, 1, scaling_of(node, x, lengths, 1));
  *out = between(context, high, 2, scaling_of(node, high, lengths, 2));
}

constexpr AttributeRule kAttributes[] = {{"corners", AttributeType::kFlag},
                                         {"centers", AttributeType::kFlag}};

constexpr Operation kOperations[] = {
    {"resize_bilinear", 2, 2, resize_bilinear, kAttributes, 1, Half::kItself},
    {"resize_nearest", 2, 2, resize_nearest, kAttributes, 1, Half::kItself},
};

}  // namespace

Operations image_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
