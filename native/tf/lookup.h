/* The checks of the tensors that the ops on packed integers get. Shared by the kernels for the CPU and
 * for XLA, and by the shape functions. */
#ifndef BCQ_TF_LOOKUP_H_
#define BCQ_TF_LOOKUP_H_

#include "core/lookup/lookup.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tf/facts.h"

namespace bcq {

inline absl::Status CheckBits(int64_t bits, int64_t most) {
  if (bits >= 1 && bits <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("`bits` must be from 1 to ", most, ". Received: bits=", bits));
}

inline absl::Status CheckFields(int64_t fields) {
  if (fields >= 1 && fields <= BCQ_MOST_ELEMENTS) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("A row must have one field or more. Received: ", fields));
}

/* `packed` must be [rows, ceil(fields bits / 8)]. */
inline absl::Status CheckPacked(const TensorShape& packed, int64_t fields, int64_t bits,
                                int64_t* rows) {
  TF_RETURN_IF_ERROR(CheckFields(fields));
  const int64_t width = (fields * bits - 1) / 8 + 1;
  if (packed.dims() != 2 || packed.dim_size(1) != width) {
    return absl::InvalidArgumentError(absl::StrCat("`packed` must be [rows, ", width,
                                                   "]. Received: ", packed.DebugString()));
  }
  *rows = packed.dim_size(0);
  return CheckSize(packed.dim_sizes());
}

struct UniformFacts {
  int64_t bits, columns;

  absl::Status Read(tensorflow::OpKernelConstruction* c) {
    TF_RETURN_IF_ERROR(c->GetAttr("bits", &bits));
    return c->GetAttr("columns", &columns);
  }

  /* `table` without its tensors, and the shape of the result. */
  absl::Status Check(const TensorShape& packed, const TensorShape& half_step,
                     const TensorShape& zero_rows, const TensorShape& ids, bcq_uniform* table,
                     TensorShape* result) const {
    TF_RETURN_IF_ERROR(CheckBits(bits, 8));
    *table = {};
    table->columns = columns;
    table->bits = static_cast<int32_t>(bits);
    TF_RETURN_IF_ERROR(CheckPacked(packed, columns, bits, &table->rows));
    TF_RETURN_IF_ERROR(CheckShape("half_step", half_step, TensorShape({}), false));
    const TensorShape marks({(table->rows + 7) / 8});
    TF_RETURN_IF_ERROR(CheckShape("zero_rows", zero_rows, marks, true));
    return Append(ids, columns, result);
  }
};

/* The facts of an op that gets the codebooks. */
inline absl::Status CheckCompositional(int64_t bits, const TensorShape& packed,
                                       const TensorShape& codebooks, const TensorShape& ids,
                                       bcq_compositional* table, TensorShape* result) {
  TF_RETURN_IF_ERROR(CheckBits(bits, 16));
  TF_RETURN_IF_ERROR(CheckSize(codebooks.dim_sizes()));
  if (codebooks.dims() != 3 || codebooks.num_elements() == 0 ||
      codebooks.dim_size(1) > int64_t{1} << bits ||
      codebooks.dim_size(0) > INT32_MAX / codebooks.dim_size(1)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "`codebooks` must be [M, K, D], not empty, with K at most ", int64_t{1} << bits,
        " and M K below 2^31. Received: ", codebooks.DebugString()));
  }
  *table = {};
  table->count = codebooks.dim_size(0);
  table->entries = codebooks.dim_size(1);
  table->columns = codebooks.dim_size(2);
  table->bits = static_cast<int32_t>(bits);
  TF_RETURN_IF_ERROR(CheckPacked(packed, table->count, bits, &table->rows));
  return Append(ids, table->columns, result);
}

/* The same of the gradient, whose shape is that of the codebooks. */
struct CodebookFacts {
  int64_t bits, count, entries;

  /* Context: of the op's kernel or of its shape function. */
  template <class Context>
  absl::Status Read(Context* c) {
    TF_RETURN_IF_ERROR(c->GetAttr("bits", &bits));
    TF_RETURN_IF_ERROR(c->GetAttr("count", &count));
    TF_RETURN_IF_ERROR(c->GetAttr("entries", &entries));
    if (count >= 1 && entries >= 1) return CheckSize({count, entries});
    return absl::InvalidArgumentError(absl::StrCat(
        "`count` and `entries` must be positive. Received: ", count, " and ", entries));
  }

  absl::Status Check(const TensorShape& packed, const TensorShape& ids, const TensorShape& dout,
                     bcq_compositional* table, TensorShape* result) const {
    const int64_t columns = dout.dims() < 1 ? 0 : dout.dim_size(dout.dims() - 1);
    TF_RETURN_IF_ERROR(MakeShape({count, entries, columns}, result));
    TensorShape expected;
    TF_RETURN_IF_ERROR(CheckCompositional(bits, packed, *result, ids, table, &expected));
    return CheckShape("dout", dout, expected, false);
  }
};

}  // namespace bcq

#endif
