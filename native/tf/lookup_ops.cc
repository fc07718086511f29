/* The signatures and shape functions of the ops on packed integers. bcq_tf/ops/uniform.py and
 * compositional.py say what they compute. */
#include "tensorflow/core/framework/op.h"
#include "tf/inference.h"
#include "tf/lookup.h"

namespace bcq {
namespace {

absl::Status UniformShape(InferenceContext* c) {
  int64_t columns = 0;
  TF_RETURN_IF_ERROR(c->GetAttr("columns", &columns));
  /* Of those that no row has, the kernel tells. */
  const bool are = CheckFields(columns).ok();
  return SetRows(c, c->input(3), are ? c->MakeDim(columns) : c->UnknownDim());
}

absl::Status CompositionalShape(InferenceContext* c) {
  ShapeHandle codebooks;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 3, &codebooks));
  return SetRows(c, c->input(2), c->Dim(codebooks, 2));
}

absl::Status CompositionalGradientShape(InferenceContext* c) {
  CodebookFacts facts;
  TF_RETURN_IF_ERROR(facts.Read(c));
  ShapeHandle dout;
  TF_RETURN_IF_ERROR(c->WithRankAtLeast(c->input(2), 1, &dout));
  return SetOutput(c, 0, c->MakeShape({c->MakeDim(facts.count), c->MakeDim(facts.entries),
                                       c->Dim(dout, -1)}));
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
