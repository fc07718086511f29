/* The ops on the CPU: the core's functions on TensorFlow's own threads. */
#include "core/gather/gather.h"
#include "core/product/product.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tf/facts.h"
#include "tf/tensors.h"
#include "tf/threads.h"

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

 protected:
  Facts facts_;
};

class ProductOp : public CodesOp {
 public:
  explicit ProductOp(OpKernelConstruction* c) : CodesOp(c) {
    OP_REQUIRES_OK(c, ReadPrecision(c, &precision_));
  }

  void Compute(OpKernelContext* c) override {
    bcq_matrix matrix = {};
    OP_REQUIRES_OK(c, ReadMatrix(c, facts_, &matrix));
    const Tensor& x = c->input(0);
    TensorShape shape;
    OP_REQUIRES_OK(c, ReplaceLast("x", x.shape(), facts_.columns, facts_.rows, &shape));
    Tensor* y;
    OP_REQUIRES_OK(c, c->allocate_output(0, shape, &y));
    const int64_t batch = x.NumElements() / facts_.columns;
    OP_REQUIRES_OK(c, ToStatus(bcq_product(&matrix, precision_, Type(x), Data(x), batch,
                                           Data(*y), Threads(c)),
                               matrix));
  }

 private:
  bcq_precision precision_;
};

class ProductTransposedOp : public CodesOp {
 public:
  using CodesOp::CodesOp;

  void Compute(OpKernelContext* c) override {
    bcq_matrix matrix = {};
    OP_REQUIRES_OK(c, ReadMatrix(c, facts_, &matrix));
    const Tensor& dy = c->input(0);
    TensorShape shape;
    OP_REQUIRES_OK(c, ReplaceLast("dy", dy.shape(), facts_.rows, facts_.columns, &shape));
    Tensor* dx;
    OP_REQUIRES_OK(c, c->allocate_output(0, shape, &dx));
    const int64_t batch = dy.NumElements() / facts_.rows;
    OP_REQUIRES_OK(c, ToStatus(bcq_product_transposed(&matrix, Type(dy), Data(dy), batch,
                                                      Data(*dx), Threads(c)),
                               matrix));
  }
};

class ProductScaleGradientOp : public CodesOp {
 public:
  using CodesOp::CodesOp;

  void Compute(OpKernelContext* c) override {
    bcq_matrix matrix = {};
    OP_REQUIRES_OK(c, ReadMatrix(c, facts_, &matrix));
    const Tensor& x = c->input(0);
    const Tensor& dy = c->input(1);
    OP_REQUIRES_OK(c, CheckPair(facts_, x.shape(), dy.shape()));
    Gradients d = {};
    OP_REQUIRES_OK(c, AllocateGradients(c, facts_, &d));
    OP_REQUIRES_OK(c, ToStatus(bcq_product_scale_gradient(
                                   &matrix, Type(x), Data(x), Data(dy),
                                   x.NumElements() / facts_.columns,
                                   d.scales, d.offset, Threads(c)),
                               matrix));
  }
};

class GatherOp : public CodesOp {
 public:
  using CodesOp::CodesOp;

  void Compute(OpKernelContext* c) override {
    bcq_matrix matrix = {};
    OP_REQUIRES_OK(c, ReadMatrix(c, facts_, &matrix));
    const Tensor& ids = c->input(0);
    TensorShape shape;
    OP_REQUIRES_OK(c, Append(ids.shape(), facts_.columns, &shape));
    Tensor* rows;
    OP_REQUIRES_OK(c, c->allocate_output(0, shape, &rows));
    const int64_t* id = static_cast<const int64_t*>(Data(ids));
    int64_t bad = 0;
    const bcq_status status = bcq_gather(&matrix, id, ids.NumElements(), Type(*rows), Data(*rows),
                                         &bad, Threads(c));
    OP_REQUIRES(c, status != BCQ_BAD_ID, BadId(facts_.rows, bad, id[bad]));
    OP_REQUIRES_OK(c, ToStatus(status, matrix));
  }
};

class GatherScaleGradientOp : public CodesOp {
 public:
  using CodesOp::CodesOp;

  void Compute(OpKernelContext* c) override {
    bcq_matrix matrix = {};
    OP_REQUIRES_OK(c, ReadMatrix(c, facts_, &matrix));
    const Tensor& ids = c->input(0);
    const Tensor& dout = c->input(1);
    OP_REQUIRES_OK(c, CheckGathered(facts_, ids.shape(), dout.shape()));
    Gradients d = {};
    OP_REQUIRES_OK(c, AllocateGradients(c, facts_, &d));
    const int64_t* id = static_cast<const int64_t*>(Data(ids));
    int64_t bad = 0;
    const bcq_status status =
        bcq_gather_scale_gradient(&matrix, id, ids.NumElements(), Type(dout), Data(dout), d.scales,
                                  d.offset, &bad, Threads(c));
    OP_REQUIRES(c, status != BCQ_BAD_ID, BadId(facts_.rows, bad, id[bad]));
    OP_REQUIRES_OK(c, ToStatus(status, matrix));
  }
};

#define BCQ_REGISTER(NAME) \
  REGISTER_KERNEL_BUILDER(Name("Bcq" #NAME).Device(tensorflow::DEVICE_CPU), NAME##Op)
BCQ_REGISTER(Product);
BCQ_REGISTER(ProductTransposed);
BCQ_REGISTER(ProductScaleGradient);
BCQ_REGISTER(Gather);
BCQ_REGISTER(GatherScaleGradient);
#undef BCQ_REGISTER

}  // namespace
}  // namespace bcq
