/* The ops' signatures and shape functions. bcq_tf/ops/ says what they compute.
 *
 * Row numbers are uint32, since TensorFlow keeps int32 tensors of CUDA ops in host memory. `offset`,
 * `row_order` and `row_place` may be empty, of shape [0]. */
#include "tensorflow/core/framework/op.h"
#include "tf/facts.h"
#include "tf/inference.h"

namespace bcq {
namespace {

/* The facts, and the shape of the scales, in *scales. */
absl::Status ReadCodes(InferenceContext* c, Facts* facts, ShapeHandle* scales) {
  TF_RETURN_IF_ERROR(ReadFacts(c, facts));
  const int first = c->num_inputs() - kCodesInputs;
  ShapeHandle tiles;
  TF_RETURN_IF_ERROR(c->Merge(c->input(first + kTiles), c->Vector(facts->words), &tiles));
  const ShapeHandle expected = c->MakeShape({facts->groups, facts->bits(), facts->rows});
  return c->Merge(c->input(first + kScales), expected, scales);
}

/* Output 0 is input 0 with the last axis replaced: [..., from] -> [..., to]. */
absl::Status ReplaceLast(InferenceContext* c, int64_t from, int64_t to) {
  ShapeHandle x, expected;
  TF_RETURN_IF_ERROR(c->WithRankAtLeast(c->input(0), 1, &x));
  TF_RETURN_IF_ERROR(c->ReplaceDim(x, -1, c->MakeDim(from), &expected));
  TF_RETURN_IF_ERROR(c->Merge(x, expected, &x));
  TF_RETURN_IF_ERROR(c->ReplaceDim(x, -1, c->MakeDim(to), &x));
  return SetOutput(c, 0, x);
}

absl::Status ProductShape(InferenceContext* c) {
  Facts facts;
  ShapeHandle scales;
  TF_RETURN_IF_ERROR(ReadCodes(c, &facts, &scales));
  return ReplaceLast(c, facts.columns, facts.rows);
}

absl::Status TransposedShape(InferenceContext* c) {
  Facts facts;
  ShapeHandle scales;
  TF_RETURN_IF_ERROR(ReadCodes(c, &facts, &scales));
  return ReplaceLast(c, facts.rows, facts.columns);
}

absl::Status ScaleGradientShape(InferenceContext* c) {
  Facts facts;
  ShapeHandle scales;
  TF_RETURN_IF_ERROR(ReadCodes(c, &facts, &scales));
  TF_RETURN_IF_ERROR(SetOutput(c, 0, scales));
  return SetOutput(c, 1, c->input(c->num_inputs() - kCodesInputs + kOffset));
}

absl::Status GatherShape(InferenceContext* c) {
  Facts facts;
  ShapeHandle scales;
  TF_RETURN_IF_ERROR(ReadCodes(c, &facts, &scales));
  return SetRows(c, c->input(0), c->MakeDim(facts.columns));
}

}  // namespace

#define BCQ_CODES                \
  Input("tiles: uint32")         \
      .Input("scales: S")        \
      .Input("offset: S")        \
      .Input("row_order: uint32") \
      .Input("row_place: uint32") \
      .Attr("T: {float, half, bfloat16}") \
      .Attr("S: {float, half}")  \
      .Attr("rows: int >= 1")    \
      .Attr("columns: int >= 1") \
      .Attr("group_size: int >= 1") \
      .Attr("plane_rows: list(int) >= 1")

REGISTER_OP("BcqProduct")
    .Input("x: T")
    .BCQ_CODES.Attr("precision: {'exact', 'fast'} = 'exact'")
    .Output("y: T")
    .SetShapeFn(ProductShape);

REGISTER_OP("BcqProductTransposed")
    .Input("dy: T")
    .BCQ_CODES.Output("dx: T")
    .SetShapeFn(TransposedShape);

REGISTER_OP("BcqProductScaleGradient")
    .Input("x: T")
    .Input("dy: T")
    .BCQ_CODES.Output("dscales: float")
    .Output("doffset: float")
    .SetShapeFn(ScaleGradientShape);

REGISTER_OP("BcqGather")
    .Input("ids: int64")
    .BCQ_CODES.Output("rows_of_ids: T")
    .SetShapeFn(GatherShape);

REGISTER_OP("BcqGatherScaleGradient")
    .Input("ids: int64")
    .Input("dout: T")
    .BCQ_CODES.Output("dscales: float")
    .Output("doffset: float")
    .SetShapeFn(ScaleGradientShape);

}  // namespace bcq
