/* Sizes that come from a graph, which may be anyone's: none is negative, no product of them overflows,
 * and no tensor is larger than memory can be. TensorShape and XLA end the process where that is not so.
 */
#ifndef BCQ_TF_SIZES_H_
#define BCQ_TF_SIZES_H_

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "core/matrix.h"
#include "tensorflow/core/framework/tensor_shape.h"

namespace bcq {

using tensorflow::TensorShape;

/* Dimensions of -1 are not known yet; those of 0 do not make up for others that are too large. */
inline absl::Status CheckSize(absl::Span<const int64_t> dims) {
  int64_t elements = 1;
  bool fits = dims.size() <= static_cast<size_t>(TensorShape::MaxDimensions());
  for (const int64_t dim : dims) {
    if (dim < -1 || dim > BCQ_MOST_ELEMENTS / elements) fits = false;
    if (fits && dim > 1) elements *= dim;
  }
  if (fits) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("A tensor must have at most ", TensorShape::MaxDimensions(),
                   " dimensions and 2^44 elements. Received: [", absl::StrJoin(dims, ","), "]"));
}

inline absl::Status MakeShape(absl::Span<const int64_t> dims, TensorShape* shape) {
  TF_RETURN_IF_ERROR(CheckSize(dims));
  return TensorShape::BuildTensorShape(dims, shape);
}

/* [shape..., last]. */
inline absl::Status Append(const TensorShape& shape, int64_t last, TensorShape* result) {
  auto dims = shape.dim_sizes();
  dims.push_back(last);
  return MakeShape(dims, result);
}

}  // namespace bcq

#endif
