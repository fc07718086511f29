/* The ops on CUDA devices: the functions of native/cuda on the stream of the op. */
#include "cuda/gather.h"
#include "cuda/product.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tf/facts.h"
#include "tf/gpu/device.h"
#include "tf/tensors.h"

namespace bcq {
namespace {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;

class CodesOp : public OpKernel {
 public:
  explicit CodesOp(OpKernelConstruction* c) : OpKernel(c) {
    OP_REQUIRES_OK(c, ReadFacts(c, &facts_));
  }

  void Compute(OpKernelContext* c) override {
    bcq_matrix matrix = {};
    OP_REQUIRES_OK(c, ReadMatrix(c, facts_, &matrix));
    OP_REQUIRES_OK(c, Run(c, matrix));
  }

 protected:
  virtual absl::Status Run(OpKernelContext* c, const bcq_matrix& matrix) = 0;

  Facts facts_;
};

class ProductOp : public CodesOp {
 public:
  explicit ProductOp(OpKernelConstruction* c) : CodesOp(c) {
    OP_REQUIRES_OK(c, ReadPrecision(c, &precision_));
  }

 private:
  absl::Status Run(OpKernelContext* c, const bcq_matrix& matrix) override {
    const Tensor& x = c->input(0);
    TensorShape shape;
    TF_RETURN_IF_ERROR(ReplaceLast("x", x.shape(), facts_.columns, facts_.rows, &shape));
    Tensor *y, holder;
    TF_RETURN_IF_ERROR(c->allocate_output(0, shape, &y));
    const int64_t batch = x.NumElements() / facts_.columns;
    void* workspace = nullptr;
    TF_RETURN_IF_ERROR(Workspace(c, bcq_cuda_product_workspace(&matrix, precision_, batch),
                                 &holder, &workspace));
    return ToStatus(bcq_cuda_product(&matrix, precision_, Type(x), Data(x), batch, Data(*y),
                                     workspace, Stream(c)));
  }

  bcq_precision precision_;
};

class ProductTransposedOp : public CodesOp {
  using CodesOp::CodesOp;

  absl::Status Run(OpKernelContext* c, const bcq_matrix& matrix) override {
    const Tensor& dy = c->input(0);
    TensorShape shape;
    TF_RETURN_IF_ERROR(ReplaceLast("dy", dy.shape(), facts_.rows, facts_.columns, &shape));
    Tensor* dx;
    TF_RETURN_IF_ERROR(c->allocate_output(0, shape, &dx));
    return ToStatus(bcq_cuda_product_transposed(&matrix, Type(dy), Data(dy),
                                                dy.NumElements() / facts_.rows, Data(*dx),
                                                Stream(c)));
  }
};

class ProductScaleGradientOp : public CodesOp {
  using CodesOp::CodesOp;

  absl::Status Run(OpKernelContext* c, const bcq_matrix& matrix) override {
    const Tensor& x = c->input(0);
    const Tensor& dy = c->input(1);
    TF_RETURN_IF_ERROR(CheckPair(facts_, x.shape(), dy.shape()));
    Gradients d = {};
    TF_RETURN_IF_ERROR(AllocateGradients(c, facts_, &d));
    Tensor holder;
    void* workspace = nullptr;
    TF_RETURN_IF_ERROR(
        Workspace(c, bcq_cuda_product_scale_gradient_workspace(&matrix), &holder, &workspace));
    return ToStatus(bcq_cuda_product_scale_gradient(
        &matrix, Type(x), Data(x), Data(dy), x.NumElements() / facts_.columns, d.scales, d.offset,
        workspace, Stream(c)));
  }
};

/* What is wrong with an id is known on the device: the op waits for it. */
absl::Status CheckIds(OpKernelContext* c, const Facts& facts, bcq_status status,
                      const int64_t* ids, const int64_t* bad) {
  int64_t index = 0, id = 0;
  if (status == BCQ_OK) status = bcq_cuda_check_ids(ids, bad, &index, &id, Stream(c));
  return status == BCQ_BAD_ID ? BadId(facts.rows, index, id) : ToStatus(status);
}

class GatherOp : public CodesOp {
  using CodesOp::CodesOp;

  absl::Status Run(OpKernelContext* c, const bcq_matrix& matrix) override {
    const Tensor& ids = c->input(0);
    TensorShape shape;
    TF_RETURN_IF_ERROR(Append(ids.shape(), facts_.columns, &shape));
    Tensor *rows, bad;
    TF_RETURN_IF_ERROR(c->allocate_output(0, shape, &rows));
    TF_RETURN_IF_ERROR(c->allocate_temp(tensorflow::DT_INT64, TensorShape({}), &bad));
    const auto* id = static_cast<const int64_t*>(Data(ids));
    auto* first_bad = static_cast<int64_t*>(Data(bad));
    const bcq_status status = bcq_cuda_gather(&matrix, id, ids.NumElements(), Type(*rows),
                                              Data(*rows), first_bad, Stream(c));
    return CheckIds(c, facts_, status, id, first_bad);
  }
};

class GatherScaleGradientOp : public CodesOp {
  using CodesOp::CodesOp;

  absl::Status Run(OpKernelContext* c, const bcq_matrix& matrix) override {
    const Tensor& ids = c->input(0);
    const Tensor& dout = c->input(1);
    TF_RETURN_IF_ERROR(CheckGathered(facts_, ids.shape(), dout.shape()));
    Gradients d = {};
    TF_RETURN_IF_ERROR(AllocateGradients(c, facts_, &d));
    Tensor bad;
    TF_RETURN_IF_ERROR(c->allocate_temp(tensorflow::DT_INT64, TensorShape({}), &bad));
    const auto* id = static_cast<const int64_t*>(Data(ids));
    auto* first_bad = static_cast<int64_t*>(Data(bad));
    const bcq_status status =
        bcq_cuda_gather_scale_gradient(&matrix, id, ids.NumElements(), Type(dout), Data(dout),
                                       d.scales, d.offset, first_bad, Stream(c));
    return CheckIds(c, facts_, status, id, first_bad);
  }
};

#define BCQ_REGISTER(NAME) \
  REGISTER_KERNEL_BUILDER(Name("Bcq" #NAME).Device(tensorflow::DEVICE_GPU), NAME##Op)
BCQ_REGISTER(Product);
BCQ_REGISTER(ProductTransposed);
BCQ_REGISTER(ProductScaleGradient);
BCQ_REGISTER(Gather);
BCQ_REGISTER(GatherScaleGradient);
#undef BCQ_REGISTER

}  // namespace
}  // namespace bcq
