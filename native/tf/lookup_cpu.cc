/* The ops on packed integers on the CPU. */
#include "core/lookup/lookup.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tf/lookup.h"
#include "tf/table_ids.h"
#include "tf/tensors.h"
#include "tf/threads.h"

namespace bcq {
namespace {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;

const uint8_t* Bytes(const Tensor& tensor) { return static_cast<const uint8_t*>(Data(tensor)); }
float* Floats(Tensor* tensor) { return static_cast<float*>(Data(*tensor)); }

absl::Status IdsStatus(bcq_status status, int64_t rows, int64_t bad, const Tensor& ids) {
  if (status != BCQ_BAD_ID) return ToStatus(status);
  return absl::InvalidArgumentError(BadTableId({rows}, bad, Ids(ids)));
}

class UniformRowsOp : public OpKernel {
 public:
  explicit UniformRowsOp(OpKernelConstruction* c) : OpKernel(c) {
    OP_REQUIRES_OK(c, facts_.Read(c));
  }

  void Compute(OpKernelContext* c) override {
    const Tensor &packed = c->input(0), &half_step = c->input(1), &zero_rows = c->input(2);
    const Tensor& ids = c->input(3);
    bcq_uniform table;
    TensorShape shape;
    OP_REQUIRES_OK(c, facts_.Check(packed.shape(), half_step.shape(), zero_rows.shape(),
                                   ids.shape(), &table, &shape));
    table.packed = Bytes(packed);
    table.half_step = half_step.scalar<float>()();
    table.zero_rows = zero_rows.NumElements() == 0 ? nullptr : Bytes(zero_rows);
    Tensor* rows;
    OP_REQUIRES_OK(c, c->allocate_output(0, shape, &rows));
    int64_t bad = 0;
    const bcq_status status =
        bcq_uniform_rows(&table, Ids(ids), ids.NumElements(), Floats(rows), &bad, Threads(c));
    OP_REQUIRES_OK(c, IdsStatus(status, table.rows, bad, ids));
  }

 private:
  UniformFacts facts_;
};

class CompositionalRowsOp : public OpKernel {
 public:
  explicit CompositionalRowsOp(OpKernelConstruction* c) : OpKernel(c) {
    OP_REQUIRES_OK(c, c->GetAttr("bits", &bits_));
  }

  void Compute(OpKernelContext* c) override {
    const Tensor &packed = c->input(0), &codebooks = c->input(1), &ids = c->input(2);
    bcq_compositional table;
    TensorShape shape;
    OP_REQUIRES_OK(c, CheckCompositional(bits_, packed.shape(), codebooks.shape(), ids.shape(),
                                         &table, &shape));
    table.packed = Bytes(packed);
    table.type = Type(codebooks);
    table.codebooks = Data(codebooks);
    Tensor* rows;
    OP_REQUIRES_OK(c, c->allocate_output(0, shape, &rows));
    int64_t bad = 0;
    const bcq_status status = bcq_compositional_rows(&table, Ids(ids), ids.NumElements(),
                                                     Floats(rows), &bad, Threads(c));
    OP_REQUIRES_OK(c, IdsStatus(status, table.rows, bad, ids));
  }

 private:
  int64_t bits_;
};

class CompositionalGradientOp : public OpKernel {
 public:
  explicit CompositionalGradientOp(OpKernelConstruction* c) : OpKernel(c) {
    OP_REQUIRES_OK(c, facts_.Read(c));
  }

  void Compute(OpKernelContext* c) override {
    const Tensor &packed = c->input(0), &ids = c->input(1), &dout = c->input(2);
    bcq_compositional table;
    TensorShape shape;
    OP_REQUIRES_OK(c, facts_.Check(packed.shape(), ids.shape(), dout.shape(), &table, &shape));
    table.packed = Bytes(packed);
    Tensor* dcodebooks;
    OP_REQUIRES_OK(c, c->allocate_output(0, shape, &dcodebooks));
    int64_t bad = 0;
    const bcq_status status = bcq_compositional_gradient(
        &table, Ids(ids), ids.NumElements(), static_cast<const float*>(Data(dout)),
        Floats(dcodebooks), &bad, Threads(c));
    OP_REQUIRES_OK(c, IdsStatus(status, table.rows, bad, ids));
  }

 private:
  CodebookFacts facts_;
};

#define BCQ_REGISTER(NAME) \
  REGISTER_KERNEL_BUILDER(Name("Bcq" #NAME).Device(tensorflow::DEVICE_CPU), NAME##Op)
BCQ_REGISTER(UniformRows);
BCQ_REGISTER(CompositionalRows);
BCQ_REGISTER(CompositionalGradient);
#undef BCQ_REGISTER

}  // namespace
}  // namespace bcq
