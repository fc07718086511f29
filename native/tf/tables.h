/* What the embedding ops know of their tables when they are made, and the checks of the tensors that
 * they then get. Shared by the shape functions and the kernels for the CPU, for CUDA and for XLA. */
#ifndef BCQ_TF_TABLES_H_
#define BCQ_TF_TABLES_H_

#include <cstdint>
#include <vector>

#include "core/embedding/embedding.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tf/facts.h"

namespace bcq {

struct TableFacts {
  std::vector<int64_t> sizes, dims;
  int64_t columns = 0, elements = 0; /* of all tables whose size is known */

  bool One() const { return sizes.size() == 1; }
  bcq_tables Tables() const {
    return {static_cast<int64_t>(sizes.size()), sizes.data(), dims.data()};
  }
};

/* Checks the numbers, and adds them up. A size may be `least` or more. */
inline absl::Status CountTables(TableFacts* facts, int64_t least) {
  for (size_t t = 0; t < facts->sizes.size(); ++t) {
    const int64_t size = facts->sizes[t], dim = facts->dims[t];
    if (dim < 1 || size < least) {
      return absl::InvalidArgumentError(absl::StrCat(
          "`sizes` and `dims` must be positive. Received: ", size, " and ", dim));
    }
    TF_RETURN_IF_ERROR(CheckSize({size, dim}));
    facts->columns += dim;
    facts->elements += size < 0 ? 0 : size * dim;
    TF_RETURN_IF_ERROR(CheckSize({facts->columns}));
    TF_RETURN_IF_ERROR(CheckSize({facts->elements}));
  }
  return absl::OkStatus();
}

/* Context: of the op's kernel or of its shape function. */
template <class Context>
absl::Status ReadTableFacts(Context* c, TableFacts* facts) {
  TF_RETURN_IF_ERROR(c->GetAttr("sizes", &facts->sizes));
  TF_RETURN_IF_ERROR(c->GetAttr("dims", &facts->dims));
  if (facts->sizes.size() != facts->dims.size() || facts->dims.empty()) {
    return absl::InvalidArgumentError("`sizes` and `dims` must have one number for each table");
  }
  return CountTables(facts, facts->One() ? -1 : 0);
}

/* Those of the one table of an op with the attributes `size` and `dim`. */
template <class Context>
absl::Status ReadTableFact(Context* c, TableFacts* facts) {
  facts->sizes.resize(1);
  facts->dims.resize(1);
  TF_RETURN_IF_ERROR(c->GetAttr("size", facts->sizes.data()));
  TF_RETURN_IF_ERROR(c->GetAttr("dim", facts->dims.data()));
  return CountTables(facts, 1);
}

/* A size of -1, of a table alone, is that of the vector `counted`. */
inline absl::Status Complete(TableFacts* facts, const TensorShape& counted) {
  if (counted.dims() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("`counted` must be a vector. Received: ", counted.DebugString()));
  }
  if (facts->sizes[0] < 0) facts->sizes[0] = counted.dim_size(0);
  return absl::OkStatus();
}

/* One table is [size, dim]; more are a vector. */
inline absl::Status TablesShape(const TableFacts& facts, TensorShape* shape) {
  return facts.One() ? MakeShape({facts.sizes[0], facts.dims[0]}, shape)
                     : MakeShape({facts.elements}, shape);
}

/* What the ids' shape makes of the result: [...] -> [..., dim] of one table, [..., tables] ->
 * [..., columns] of more. `batch`: the number of rows. */
inline absl::Status RowsShape(const TableFacts& facts, const TensorShape& ids, TensorShape* rows,
                              int64_t* batch) {
  const int64_t tables = static_cast<int64_t>(facts.sizes.size());
  *batch = ids.num_elements() / tables;
  return facts.One() ? Append(ids, facts.columns, rows)
                     : ReplaceLast("ids", ids, tables, facts.columns, rows);
}

inline absl::Status CheckGather(const TableFacts& facts, const TensorShape& table,
                                const TensorShape& ids, TensorShape* rows, int64_t* batch) {
  TensorShape expected;
  TF_RETURN_IF_ERROR(TablesShape(facts, &expected));
  TF_RETURN_IF_ERROR(CheckShape("table", table, expected, false));
  return RowsShape(facts, ids, rows, batch);
}

inline absl::Status CheckGradient(const TableFacts& facts, const TensorShape& ids,
                                  const TensorShape& dout, TensorShape* table, int64_t* batch) {
  TensorShape rows;
  TF_RETURN_IF_ERROR(RowsShape(facts, ids, &rows, batch));
  TF_RETURN_IF_ERROR(CheckShape("dout", dout, rows, false));
  return TablesShape(facts, table);
}

/* A kernel of an op with the attributes `sizes`, `dims` and `deterministic`, whose third input is
 * `counted`. */
class TablesKernel : public tensorflow::OpKernel {
 public:
  explicit TablesKernel(tensorflow::OpKernelConstruction* c) : OpKernel(c) {
    OP_REQUIRES_OK(c, ReadTableFacts(c, &facts_));
    OP_REQUIRES_OK(c, c->GetAttr("deterministic", &deterministic_));
  }

  void Compute(tensorflow::OpKernelContext* c) override {
    TableFacts facts = facts_;
    OP_REQUIRES_OK(c, Complete(&facts, c->input(2).shape()));
    OP_REQUIRES_OK(c, Run(c, facts));
  }

 protected:
  virtual absl::Status Run(tensorflow::OpKernelContext* c, const TableFacts& facts) = 0;

  bool deterministic_; /* which changes nothing on the CPU */

 private:
  TableFacts facts_;
};

}  // namespace bcq

#endif
