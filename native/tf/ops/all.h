/* Every op. */
#ifndef BCQ_TF_OPS_ALL_H_
#define BCQ_TF_OPS_ALL_H_

#include "tf/ops/gather.h"
#include "tf/ops/lookup.h"
#include "tf/ops/product.h"
#include "tf/ops/tables.h"
#include "tf/ops/unique.h"

namespace bcq {

template <class Op>
struct OpType {
  using type = Op;
};

template <class... Ops>
struct OpList {
  /* visit(OpType<Op>()) for each. Returns true, for a variable that is made at the start. */
  template <class Visit>
  static bool for_each(Visit visit) {
    (visit(OpType<Ops>()), ...);
    return true;
  }
};

// clang-format off
using AllOps = OpList<
    Product,
    ProductTransposed,
    ProductScaleGradient,
    Gather,
    GatherScaleGradient,
    Columns,
    TablesGather,
    TablesGradient,
    VariableRows,
    UniqueIds,
    UniformRows,
    CompositionalRows,
    CompositionalGradient>;
// clang-format on

}  // namespace bcq

#endif
