/* The embedding ops on the CPU. */
#include "core/embedding/embedding.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/resource_mgr.h"
#include "tensorflow/core/framework/resource_var.h"
#include "tf/table_ids.h"
#include "tf/tables.h"
#include "tf/tensors.h"
#include "tf/threads.h"

namespace bcq {
namespace {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;

absl::Status IdsStatus(bcq_status status, const std::vector<int64_t>& sizes, int64_t bad,
                       bcq_ids ids) {
  if (status != BCQ_BAD_ID) return ToStatus(status);
  return absl::InvalidArgumentError(BadTableId(sizes, bad, ids));
}

absl::Status Gather(OpKernelContext* c, const TableFacts& facts, const Tensor& table,
                    const Tensor& ids) {
  TensorShape shape;
  int64_t batch = 0, bad = 0;
  TF_RETURN_IF_ERROR(CheckGather(facts, table.shape(), ids.shape(), &shape, &batch));
  Tensor* rows;
  TF_RETURN_IF_ERROR(c->allocate_output(0, shape, &rows));
  const bcq_tables tables = facts.Tables();
  const bcq_status status = bcq_tables_gather(&tables, Type(table), Data(table), Ids(ids), batch,
                                              Data(*rows), &bad, Threads(c));
  return IdsStatus(status, facts.sizes, bad, Ids(ids));
}

class TablesGatherOp : public TablesKernel {
  using TablesKernel::TablesKernel;

  absl::Status Run(OpKernelContext* c, const TableFacts& facts) override {
    return Gather(c, facts, c->input(0), c->input(1));
  }
};

/* Under the variable's lock, no one can change it: no copy is needed. */
class VariableRowsOp : public OpKernel {
 public:
  explicit VariableRowsOp(OpKernelConstruction* c) : OpKernel(c) {
    OP_REQUIRES_OK(c, ReadTableFact(c, &facts_));
    OP_REQUIRES_OK(c, c->GetAttr("T", &type_));
  }

  void Compute(OpKernelContext* c) override {
    tensorflow::ResourceHandle handle;
    tensorflow::core::RefCountPtr<tensorflow::Var> variable;
    OP_REQUIRES_OK(c, HandleFromInput(c, 0, &handle));
    OP_REQUIRES_OK(c, LookupResource(c, handle, &variable));
    tensorflow::tf_shared_lock lock(*variable->mu());
    const Tensor& table = *variable->tensor();
    OP_REQUIRES(c, variable->is_initialized && table.dtype() == type_,
                absl::FailedPreconditionError("`variable` must have a value of the type T. "
                                              "Received: another, or none"));
    OP_REQUIRES_OK(c, Gather(c, facts_, table, c->input(1)));
  }

 private:
  TableFacts facts_;
  tensorflow::DataType type_;
};

class TablesGradientOp : public TablesKernel {
  using TablesKernel::TablesKernel;

  absl::Status Run(OpKernelContext* c, const TableFacts& facts) override {
    const Tensor& ids = c->input(0);
    const Tensor& dout = c->input(1);
    TensorShape shape;
    int64_t batch = 0, bad = 0;
    TF_RETURN_IF_ERROR(CheckGradient(facts, ids.shape(), dout.shape(), &shape, &batch));
    Tensor* dtable;
    TF_RETURN_IF_ERROR(c->allocate_output(0, shape, &dtable));
    const bcq_tables tables = facts.Tables();
    const bcq_status status = bcq_tables_gradient(&tables, Type(dout), Ids(ids), batch, Data(dout),
                                                  Data(*dtable), &bad, Threads(c));
    return IdsStatus(status, facts.sizes, bad, Ids(ids));
  }
};

class UniqueIdsOp : public OpKernel {
 public:
  explicit UniqueIdsOp(OpKernelConstruction* c) : OpKernel(c) {
    OP_REQUIRES_OK(c, c->GetAttr("size", &size_));
  }

  void Compute(OpKernelContext* c) override {
    const Tensor& ids = c->input(0);
    const int64_t count = ids.NumElements();
    Tensor unique, *slots;
    OP_REQUIRES_OK(c, c->allocate_temp(ids.dtype(), TensorShape({count}), &unique));
    OP_REQUIRES_OK(c, c->allocate_output(1, ids.shape(), &slots));
    int64_t found = 0, bad = 0;
    const bcq_status status =
        bcq_unique_ids(Ids(ids), count, size_, Data(unique), static_cast<int32_t*>(Data(*slots)),
                       &found, &bad);
    OP_REQUIRES_OK(c, IdsStatus(status, {size_}, bad, Ids(ids)));
    c->set_output(0, unique.Slice(0, found));
  }

 private:
  int64_t size_;
};

#define BCQ_REGISTER(NAME) \
  REGISTER_KERNEL_BUILDER(Name("Bcq" #NAME).Device(tensorflow::DEVICE_CPU), NAME##Op)
BCQ_REGISTER(TablesGather);
BCQ_REGISTER(TablesGradient);
BCQ_REGISTER(VariableRows);
BCQ_REGISTER(UniqueIds);
#undef BCQ_REGISTER

}  // namespace
}  // namespace bcq
