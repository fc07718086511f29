/* The embedding ops' signatures and shape functions. bcq_tf/ops/embedding.py says what they compute.
 *
 * Of one table, ids are [...] and the table is [size, dim]; its size may be -1, that of the vector
 * `counted`, whose values mean nothing. Of more, ids are [..., tables] and the tables one vector. */
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace bcq {
namespace {

using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

absl::Status ReadLists(InferenceContext* c, std::vector<int64_t>* sizes,
                       std::vector<int64_t>* dims) {
  TF_RETURN_IF_ERROR(c->GetAttr("sizes", sizes));
  TF_RETURN_IF_ERROR(c->GetAttr("dims", dims));
  if (sizes->size() == dims->size() && !dims->empty()) return absl::OkStatus();
  return absl::InvalidArgumentError("`sizes` and `dims` must have one number for each table");
}

absl::Status TablesGatherShape(InferenceContext* c) {
  std::vector<int64_t> sizes, dims;
  TF_RETURN_IF_ERROR(ReadLists(c, &sizes, &dims));
  int64_t columns = 0;
  for (int64_t dim : dims) columns += dim;
  ShapeHandle rows = c->input(1);
  if (dims.size() == 1) {
    TF_RETURN_IF_ERROR(c->Concatenate(rows, c->Vector(columns), &rows));
  } else {
    TF_RETURN_IF_ERROR(c->WithRankAtLeast(rows, 1, &rows));
    TF_RETURN_IF_ERROR(c->ReplaceDim(rows, -1, c->MakeDim(columns), &rows));
  }
  c->set_output(0, rows);
  return absl::OkStatus();
}

absl::Status TablesGradientShape(InferenceContext* c) {
  std::vector<int64_t> sizes, dims;
  TF_RETURN_IF_ERROR(ReadLists(c, &sizes, &dims));
  ShapeHandle counted;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(2), 1, &counted));
  if (sizes.size() == 1) {
    const auto size = sizes[0] < 0 ? c->Dim(counted, 0) : c->MakeDim(sizes[0]);
    c->set_output(0, c->Matrix(size, c->MakeDim(dims[0])));
    return absl::OkStatus();
  }
  int64_t total = 0;
  for (size_t t = 0; t < sizes.size(); ++t) total += sizes[t] * dims[t];
  c->set_output(0, c->Vector(total));
  return absl::OkStatus();
}

absl::Status VariableRowsShape(InferenceContext* c) {
  int64_t dim = 0;
  TF_RETURN_IF_ERROR(c->GetAttr("dim", &dim));
  ShapeHandle rows;
  TF_RETURN_IF_ERROR(c->Concatenate(c->input(1), c->Vector(dim), &rows));
  c->set_output(0, rows);
  return absl::OkStatus();
}

absl::Status UniqueShape(InferenceContext* c) {
  c->set_output(0, c->UnknownShapeOfRank(1));
  c->set_output(1, c->input(0));
  return absl::OkStatus();
}

}  // namespace

REGISTER_OP("BcqTablesGather")
    .Input("table: T")
    .Input("ids: I")
    .Input("counted: I")
    .Attr("T: {float, half, bfloat16}")
    .Attr("I: {int32, int64}")
    .Attr("sizes: list(int) >= 1")
    .Attr("dims: list(int) >= 1")
    .Attr("deterministic: bool = true") /* of the gradient */
    .Output("rows: T")
    .SetShapeFn(TablesGatherShape);

REGISTER_OP("BcqTablesGradient")
    .Input("ids: I")
    .Input("dout: T")
    .Input("counted: I")
    .Attr("T: {float, half, bfloat16}")
    .Attr("I: {int32, int64}")
    .Attr("sizes: list(int) >= 1")
    .Attr("dims: list(int) >= 1")
    .Attr("deterministic: bool = true")
    .Output("dtable: T")
    .SetShapeFn(TablesGradientShape);

/* As ResourceGather, which however makes every later read or dense update of the variable copy it. */
REGISTER_OP("BcqVariableRows")
    .Input("variable: resource")
    .Input("ids: I")
    .Attr("T: {float, half, bfloat16}")
    .Attr("I: {int32, int64}")
    .Attr("size: int >= 1")
    .Attr("dim: int >= 1")
    .Output("rows: T")
    .SetIsStateful()
    .SetShapeFn(VariableRowsShape);

REGISTER_OP("BcqUniqueIds")
    .Input("ids: I")
    .Attr("I: {int32, int64}")
    .Attr("size: int >= 1")
    .Output("unique: I")
    .Output("slots: int32")
    .SetShapeFn(UniqueShape);

}  // namespace bcq
