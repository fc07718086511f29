/* The embedding ops' signatures and shape functions. bcq_tf/ops/embedding.py says what they compute.
 *
 * Of one table, ids are [...] and the table is [size, dim]; its size may be -1, that of the vector
 * `counted`, whose values mean nothing. Of more, ids are [..., tables] and the tables one vector. */
#include "tensorflow/core/framework/op.h"
#include "tf/inference.h"
#include "tf/tables.h"

namespace bcq {
namespace {

absl::Status TablesGatherShape(InferenceContext* c) {
  TableFacts facts;
  TF_RETURN_IF_ERROR(ReadTableFacts(c, &facts));
  ShapeHandle rows = c->input(1);
  if (facts.One()) return SetRows(c, rows, c->MakeDim(facts.columns));
  TF_RETURN_IF_ERROR(c->WithRankAtLeast(rows, 1, &rows));
  TF_RETURN_IF_ERROR(c->ReplaceDim(rows, -1, c->MakeDim(facts.columns), &rows));
  return SetOutput(c, 0, rows);
}

absl::Status TablesGradientShape(InferenceContext* c) {
  TableFacts facts;
  TF_RETURN_IF_ERROR(ReadTableFacts(c, &facts));
  ShapeHandle counted;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(2), 1, &counted));
  if (!facts.One()) return SetOutput(c, 0, c->Vector(facts.elements));
  const auto size = facts.sizes[0] < 0 ? c->Dim(counted, 0) : c->MakeDim(facts.sizes[0]);
  return SetOutput(c, 0, c->Matrix(size, c->MakeDim(facts.dims[0])));
}

absl::Status VariableRowsShape(InferenceContext* c) {
  TableFacts facts;
  TF_RETURN_IF_ERROR(ReadTableFact(c, &facts));
  return SetRows(c, c->input(1), c->MakeDim(facts.columns));
}

absl::Status UniqueShape(InferenceContext* c) {
  c->set_output(0, c->UnknownShapeOfRank(1));
  return SetOutput(c, 1, c->input(0));
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
