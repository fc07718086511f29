/* Shapes of tensors, as far as they are known, and their rules.
 *
 * Sizes come from a graph, which may be anyone's. So no product of them may overflow and no tensor
 * be larger than memory can be: TensorFlow and XLA end the process where that is not so. */
#ifndef BCQ_TF_SHAPE_H_
#define BCQ_TF_SHAPE_H_

#include <cstdint>
#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/matrix.h"
#include "tensorflow/core/platform/errors.h"

namespace bcq {

using Dims = absl::InlinedVector<int64_t, 4>;

constexpr int64_t kUnknown = -1;

/* A dimension below 0 is not known; one below kUnknown is the same as others with its number. */
struct Shape {
  Dims dims;
  bool ranked = true; /* whether the number of dimensions is known */

  int64_t rank() const { return static_cast<int64_t>(dims.size()); }
  int64_t elements() const; /* kUnknown where a dimension is not known */
  std::string text() const;
};

using Shapes = absl::InlinedVector<Shape, 8>;

template <class... Parts>
absl::Status invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

inline int64_t Shape::elements() const {
  int64_t product = ranked ? 1 : kUnknown;
  for (const int64_t dim : dims) product = dim < 0 || product < 0 ? kUnknown : product * dim;
  return product;
}

inline std::string Shape::text() const {
  if (!ranked) return "<unknown>";
  const auto write = [](std::string* out, int64_t dim) {
    dim < 0 ? absl::StrAppend(out, "?") : absl::StrAppend(out, dim);
  };
  return absl::StrCat("[", absl::StrJoin(dims, ",", write), "]");
}

/* Dimensions of 0 do not make up for others that are too large. */
inline absl::Status check_size(const Shape& shape) {
  constexpr int64_t kMostDimensions = 254; /* of TensorFlow's shapes */
  int64_t elements = 1;
  bool fits = shape.rank() <= kMostDimensions;
  for (const int64_t dim : shape.dims) {
    if (dim > BCQ_MOST_ELEMENTS / elements) fits = false;
    if (fits && dim > 1) elements *= dim;
  }
  if (fits) return absl::OkStatus();
  return invalid("A tensor must have at most ", kMostDimensions,
                 " dimensions and 2^44 elements. Received: ", shape.text());
}

inline absl::Status check_sizes(const Shapes& shapes) {
  for (const Shape& shape : shapes) TF_RETURN_IF_ERROR(check_size(shape));
  return absl::OkStatus();
}

/* Whether they are the same as far as both are known. */
inline bool agree(const Shape& a, const Shape& b) {
  if (!a.ranked || !b.ranked) return true;
  if (a.rank() != b.rank()) return false;
  for (int64_t i = 0; i < a.rank(); ++i) {
    if (a.dims[i] != b.dims[i] && a.dims[i] >= 0 && b.dims[i] >= 0) return false;
  }
  return true;
}

inline absl::Status check_shape(const char* name, const Shape& shape, const Shape& expected,
                                bool may_be_empty = false) {
  if (agree(shape, expected) || (may_be_empty && agree(shape, Shape{{0}}))) return absl::OkStatus();
  return invalid("`", name, "` must be ", expected.text(), may_be_empty ? " or [0]" : "",
                 ". Received: ", shape.text());
}

/* [shape..., last]. */
inline Shape append(Shape shape, int64_t last) {
  if (shape.ranked) shape.dims.push_back(last);
  return shape;
}

/* `shape` must be [..., last]; the result is that with `other` in its place. */
inline absl::Status replace_last(const char* name, const Shape& shape, int64_t last, int64_t other,
                                 Shape* result) {
  *result = shape;
  if (!shape.ranked) return absl::OkStatus();
  if (shape.rank() < 1 || (shape.dims.back() >= 0 && shape.dims.back() != last)) {
    return invalid("`", name, "` must be [..., ", last, "]. Received: ", shape.text());
  }
  result->dims.back() = other;
  return absl::OkStatus();
}

}  // namespace bcq

#endif
