/* Rows of embedding tables, and their gradients. bcq_tf/ops/embedding.py says what they compute.
 *
 * Of one table, ids are [...] and the table is [size, dim]; its size may be -1, that of the vector
 * `counted`, whose values mean nothing. Of more, ids are [..., tables], the tables one vector. */
#ifndef BCQ_TF_OPS_TABLES_H_
#define BCQ_TF_OPS_TABLES_H_

#include <cstdint>
#include <vector>

#include "core/embedding/embedding.h"
#include "cuda/embedding.h"
#include "tf/op.h"

namespace bcq {

struct TablesOp : OpDefaults {
  std::vector<int64_t> sizes, dims;

 protected:
  bcq_tables tables() const {
    return {static_cast<int64_t>(sizes.size()), sizes.data(), dims.data()};
  }
  bool one() const { return sizes.size() == 1; }

  /* No sum of the numbers overflows. A size may be `least` or more. */
  absl::Status check_tables(int64_t least) const {
    int64_t columns = 0, elements = 0;
    for (size_t t = 0; t < sizes.size(); ++t) {
      if (dims[t] < 1 || sizes[t] < least) {
        return invalid("`sizes` and `dims` must be positive. Received: ", sizes[t], " and ",
                       dims[t]);
      }
      TF_RETURN_IF_ERROR(check_size({{sizes[t], dims[t]}}));
      columns += dims[t];
      elements += sizes[t] < 0 ? 0 : sizes[t] * dims[t];
      TF_RETURN_IF_ERROR(check_size({{columns}}));
      TF_RETURN_IF_ERROR(check_size({{elements}}));
    }
    return absl::OkStatus();
  }

  Shape table_shape() const {
    if (one()) return {{sizes[0], dims[0]}};
    int64_t elements = 0;
    for (size_t t = 0; t < sizes.size(); ++t) elements += sizes[t] * dims[t];
    return {{elements}};
  }

  absl::Status rows_shape(const Shape& ids, Shape* rows) const {
    int64_t columns = 0;
    for (const int64_t dim : dims) columns += dim;
    if (!one()) return replace_last("ids", ids, tables().count, columns, rows);
    *rows = append(ids, columns);
    return absl::OkStatus();
  }

  /* rows_shape() of input 1. */
  absl::Status rows_outputs(const Shapes& in, Shapes* out) const {
    out->resize(1);
    return rows_shape(in[1], &out->front());
  }

  /* Input 0 is the table, 1 the ids. */
  absl::Status gather(const Inputs& in, Outputs& out, const Cpu& cpu) const {
    const bcq_tables all = tables();
    const Input &table = in[0], &ids = in[1];
    int64_t bad = 0;
    const bcq_status status =
        bcq_tables_gather(&all, table.type, table.data, ids_of(ids), ids.count / all.count,
                          out[0].data, &bad, cpu.threads);
    return ids_status(status, sizes, bad, ids);
  }

  absl::Status gather(const Inputs& in, Outputs& out, const Cuda& cuda) const {
    const bcq_tables all = tables();
    const Input &table = in[0], &ids = in[1];
    return core_status(bcq_cuda_tables_gather(&all, table.type, table.data, ids_of(ids),
                                              ids.count / all.count, out[0].data, cuda.stream));
  }
};

/* Those with the last input `counted`. */
struct CountedTablesOp : TablesOp {
  static constexpr int kShapesOnly = 1;

  bool deterministic = true; /* of the gradient on CUDA devices */

  template <class Visit>
  void attributes(Visit& visit) {
    visit("T: {float, half, bfloat16}");
    visit("I: {int32, int64}");
    visit("sizes: list(int) >= 1", sizes);
    visit("dims: list(int) >= 1", dims);
    visit("deterministic: bool = true", deterministic);
  }

  absl::Status check_attributes() const {
    if (sizes.size() != dims.size() || dims.empty()) {
      return invalid("`sizes` and `dims` must have one number for each table");
    }
    return check_tables(one() ? -1 : 0);
  }

 protected:
  absl::Status complete(const Shape& counted) {
    if (!counted.ranked) return absl::OkStatus();
    if (counted.rank() != 1) {
      return invalid("`counted` must be a vector. Received: ", counted.text());
    }
    if (sizes[0] < 0) sizes[0] = counted.dims[0];
    return absl::OkStatus();
  }
};

struct TablesGather : CountedTablesOp {
  static constexpr char kName[] = "BcqTablesGather";
  static constexpr char kSignature[] = "table: T, ids: I, counted: I -> rows: T";

  absl::Status outputs(const Shapes& in, Shapes* out) {
    TF_RETURN_IF_ERROR(complete(in[2]));
    return rows_outputs(in, out);
  }

  absl::Status check(const Shapes& in) const { return check_shape("table", in[0], table_shape()); }

  template <class Device>
  absl::Status run(const Inputs& in, Outputs& out, const Device& device) const {
    return gather(in, out, device);
  }
};

struct TablesGradient : CountedTablesOp {
  static constexpr char kName[] = "BcqTablesGradient";
  static constexpr char kSignature[] = "ids: I, dout: T, counted: I -> dtable: T";

  absl::Status outputs(const Shapes& in, Shapes* out) {
    TF_RETURN_IF_ERROR(complete(in[2]));
    *out = {table_shape()};
    return absl::OkStatus();
  }

  absl::Status check(const Shapes& in) const {
    Shape rows;
    TF_RETURN_IF_ERROR(rows_shape(in[0], &rows));
    return check_shape("dout", in[1], rows);
  }

  absl::Status run(const Inputs& in, Outputs& out, const Cpu& cpu) const {
    const bcq_tables all = tables();
    const Input &ids = in[0], &dout = in[1];
    int64_t bad = 0;
    const bcq_status status =
        bcq_tables_gradient(&all, dout.type, ids_of(ids), ids.count / all.count, dout.data,
                            out[0].data, &bad, cpu.threads);
    return ids_status(status, sizes, bad, ids);
  }

  absl::Status run(const Inputs& in, Outputs& out, const Cuda& cuda) const {
    const bcq_tables all = tables();
    const Input &ids = in[0], &dout = in[1];
    const int64_t batch = ids.count / all.count;
    const int64_t bytes = bcq_cuda_tables_gradient_workspace(&all, dout.type, batch, deterministic);
    return cuda.with_workspace(bytes, [&](void* workspace) {
      return bcq_cuda_tables_gradient(&all, dout.type, ids_of(ids), batch, dout.data, out[0].data,
                                      deterministic, workspace, cuda.stream);
    });
  }
};

/* As ResourceGather, which however makes all later reads and dense updates of the variable copy
 * it. */
struct VariableRows : TablesOp {
  static constexpr char kName[] = "BcqVariableRows";
  static constexpr char kSignature[] = "variable: resource, ids: I -> rows: T";
  static constexpr bool kReadsVariable = true;

  VariableRows() { sizes = dims = {0}; }

  template <class Visit>
  void attributes(Visit& visit) {
    visit("T: {float, half, bfloat16}");
    visit("I: {int32, int64}");
    visit("size: int >= 1", sizes[0]);
    visit("dim: int >= 1", dims[0]);
  }

  absl::Status check_attributes() const { return check_tables(1); }

  absl::Status outputs(const Shapes& in, Shapes* out) const { return rows_outputs(in, out); }

  absl::Status check(const Shapes& in) const { return check_shape("table", in[0], table_shape()); }

  template <class Device>
  absl::Status run(const Inputs& in, Outputs& out, const Device& device) const {
    return gather(in, out, device);
  }
};

}  // namespace bcq

#endif
