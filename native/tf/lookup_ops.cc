/* The signatures and shape functions of the ops on packed integers. bcq_tf/ops/uniform.py and
 * compositional.py say what they compute. */
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace bcq {
namespace {

using tensorflow::shape_inference::DimensionHandle;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

absl::Status Rows(InferenceContext* c, int ids, DimensionHandle columns) {
  ShapeHandle rows;
  TF_RETURN_IF_ERROR(c->Concatenate(c->input(ids), c->Vector(columns), &rows));
  c->set_output(0, rows);
  return absl::OkStatus();
}

absl::Status UniformShape(InferenceContext* c) {
  int64_t columns = 0;
  TF_RETURN_IF_ERROR(c->GetAttr("columns", &columns));
  return Rows(c, 3, c->MakeDim(columns));
}

absl::Status CompositionalShape(InferenceContext* c) {
  ShapeHandle codebooks;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 3, &codebooks));
  return Rows(c, 2, c->Dim(codebooks, 2));
}

absl::Status CompositionalGradientShape(InferenceContext* c) {
  int64_t count = 0, entries = 0;
  TF_RETURN_IF_ERROR(c->GetAttr("count", &count));
  TF_RETURN_IF_ERROR(c->GetAttr("entries", &entries));
  ShapeHandle dout;
  TF_RETURN_IF_ERROR(c->WithRankAtLeast(c->input(2), 1, &dout));
  c->set_output(0, c->MakeShape({c->MakeDim(count), c->MakeDim(entries), c->Dim(dout, -1)}));
  return absl::OkStatus();
}

}  // namespace

/* `zero_rows` is empty where no row is marked. */
REGISTER_OP("BcqUniformRows")
    .Input("packed: uint8")
    .Input("half_step: float")
    .Input("zero_rows: uint8")
    .Input("ids: I")
    .Attr("I: {int32, int64}")
    .Attr("bits: int >= 1")
    .Attr("columns: int >= 1")
    .Output("rows: float")
    .SetShapeFn(UniformShape);

REGISTER_OP("BcqCompositionalRows")
    .Input("packed: uint8")
    .Input("codebooks: T")
    .Input("ids: I")
    .Attr("T: {float, half}")
    .Attr("I: {int32, int64}")
    .Attr("bits: int >= 1")
    .Output("rows: float")
    .SetShapeFn(CompositionalShape);

REGISTER_OP("BcqCompositionalGradient")
    .Input("packed: uint8")
    .Input("ids: I")
    .Input("dout: float")
    .Attr("I: {int32, int64}")
    .Attr("bits: int >= 1")
    .Attr("count: int >= 1")
    .Attr("entries: int >= 1")
    .Output("dcodebooks: float")
    .SetShapeFn(CompositionalGradientShape);

}  // namespace bcq
