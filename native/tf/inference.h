/* What shape functions share. */
#ifndef BCQ_TF_INFERENCE_H_
#define BCQ_TF_INFERENCE_H_

#include <vector>

#include "tensorflow/core/framework/shape_inference.h"
#include "tf/sizes.h"

namespace bcq {

using tensorflow::shape_inference::DimensionHandle;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

inline absl::Status SetOutput(InferenceContext* c, int i, ShapeHandle shape) {
  if (c->RankKnown(shape)) {
    std::vector<int64_t> dims;
    for (int d = 0; d < c->Rank(shape); ++d) dims.push_back(c->Value(c->Dim(shape, d)));
    TF_RETURN_IF_ERROR(CheckSize(dims));
  }
  c->set_output(i, shape);
  return absl::OkStatus();
}

/* Output 0: rows [ids..., columns]. */
inline absl::Status SetRows(InferenceContext* c, ShapeHandle ids, DimensionHandle columns) {
  ShapeHandle rows;
  TF_RETURN_IF_ERROR(c->Concatenate(ids, c->Vector(columns), &rows));
  return SetOutput(c, 0, rows);
}

}  // namespace bcq

#endif
