/* The ops' signatures and shape functions. bcq_tf/ops/ says what they compute.
 *
 * Row numbers are uint32, since TensorFlow keeps int32 tensors of CUDA ops in host memory. `offset`,
 * `row_order` and `row_place` may be empty, of shape [0]. */
#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace bcq {
namespace {

using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

int64_t Attr(InferenceContext* c, const char* name) {
  int64_t value = 0;
  return c->GetAttr(name, &value).ok() ? value : 0;
}

/* The scales of the codes whose inputs begin at `first`: [groups, bits, rows]. */
absl::Status ScalesShape(InferenceContext* c, int first, ShapeHandle* result) {
  const int64_t columns = Attr(c, "columns"), group_size = Attr(c, "group_size");
  std::vector<int64_t> plane_rows;
  TF_RETURN_IF_ERROR(c->GetAttr("plane_rows", &plane_rows));
  const ShapeHandle expected =
      c->MakeShape({(columns - 1) / group_size + 1, static_cast<int64_t>(plane_rows.size()),
                    Attr(c, "rows")});
  return c->Merge(c->input(first + 1), expected, result);
}

/* Output 0 is input 0 with the last axis replaced: [..., from] -> [..., to]. */
absl::Status ReplaceLast(InferenceContext* c, const char* from, const char* to) {
  ShapeHandle x, scales;
  TF_RETURN_IF_ERROR(c->WithRankAtLeast(c->input(0), 1, &x));
  TF_RETURN_IF_ERROR(c->ReplaceDim(x, -1, c->MakeDim(Attr(c, from)), &scales));
  TF_RETURN_IF_ERROR(c->Merge(x, scales, &x));
  TF_RETURN_IF_ERROR(ScalesShape(c, 1, &scales));
  TF_RETURN_IF_ERROR(c->ReplaceDim(x, -1, c->MakeDim(Attr(c, to)), &x));
  c->set_output(0, x);
  return absl::OkStatus();
}

absl::Status ProductShape(InferenceContext* c) { return ReplaceLast(c, "columns", "rows"); }
absl::Status TransposedShape(InferenceContext* c) { return ReplaceLast(c, "rows", "columns"); }

absl::Status ScaleGradientShape(InferenceContext* c) {
  ShapeHandle scales;
  TF_RETURN_IF_ERROR(ScalesShape(c, 2, &scales));
  c->set_output(0, scales);
  c->set_output(1, c->input(4));
  return absl::OkStatus();
}

absl::Status GatherShape(InferenceContext* c) {
  ShapeHandle result;
  TF_RETURN_IF_ERROR(ScalesShape(c, 1, &result));
  TF_RETURN_IF_ERROR(c->Concatenate(c->input(0), c->Vector(Attr(c, "columns")), &result));
  c->set_output(0, result);
  return absl::OkStatus();
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
