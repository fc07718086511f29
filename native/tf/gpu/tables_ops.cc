/* The embedding ops on CUDA devices: the functions of native/cuda on the stream of the op. */
#include "cuda/embedding.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tf/gpu/device.h"
#include "tf/tables.h"
#include "tf/tensors.h"

namespace bcq {
namespace {

using tensorflow::OpKernelContext;
using tensorflow::Tensor;

bcq_ids Ids(const Tensor& ids) { return {Data(ids), 8}; }

class TablesGatherOp : public TablesKernel {
  using TablesKernel::TablesKernel;

  absl::Status Run(OpKernelContext* c, const TableFacts& facts) override {
    const Tensor& table = c->input(0);
    const Tensor& ids = c->input(1);
    TensorShape shape;
    int64_t batch = 0;
    TF_RETURN_IF_ERROR(CheckGather(facts, table.shape(), ids.shape(), &shape, &batch));
    Tensor* rows;
    TF_RETURN_IF_ERROR(c->allocate_output(0, shape, &rows));
    const bcq_tables tables = facts.Tables();
    return ToStatus(bcq_cuda_tables_gather(&tables, Type(table), Data(table), Ids(ids), batch,
                                           Data(*rows), Stream(c)));
  }
};

class TablesGradientOp : public TablesKernel {
  using TablesKernel::TablesKernel;

  absl::Status Run(OpKernelContext* c, const TableFacts& facts) override {
    const Tensor& ids = c->input(0);
    const Tensor& dout = c->input(1);
    TensorShape shape;
    int64_t batch = 0;
    TF_RETURN_IF_ERROR(CheckGradient(facts, ids.shape(), dout.shape(), &shape, &batch));
    Tensor *dtable, holder;
    TF_RETURN_IF_ERROR(c->allocate_output(0, shape, &dtable));
    const bcq_tables tables = facts.Tables();
    void* workspace = nullptr;
    const int64_t bytes =
        bcq_cuda_tables_gradient_workspace(&tables, Type(dout), batch, deterministic_);
    TF_RETURN_IF_ERROR(Workspace(c, bytes, &holder, &workspace));
    return ToStatus(bcq_cuda_tables_gradient(&tables, Type(dout), Ids(ids), batch, Data(dout),
                                             Data(*dtable), deterministic_, workspace, Stream(c)));
  }
};

#define BCQ_REGISTER(NAME)                                                    \
  REGISTER_KERNEL_BUILDER(Name("Bcq" #NAME)                                   \
                              .Device(tensorflow::DEVICE_GPU)                 \
                              .TypeConstraint<int64_t>("I"),                  \
                          NAME##Op)
BCQ_REGISTER(TablesGather);
BCQ_REGISTER(TablesGradient);
#undef BCQ_REGISTER

}  // namespace
}  // namespace bcq
