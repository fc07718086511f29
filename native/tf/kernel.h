/* TensorFlow's kernel of an op, on the CPU or on CUDA devices. */
#ifndef BCQ_TF_KERNEL_H_
#define BCQ_TF_KERNEL_H_

#include <optional>

#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/resource_mgr.h"
#include "tensorflow/core/framework/resource_var.h"
#include "tf/attributes.h"
#include "tf/op.h"

namespace bcq {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

inline bcq_type type_of(tensorflow::DataType type) {
  return type == tensorflow::DT_HALF       ? BCQ_FLOAT16
         : type == tensorflow::DT_BFLOAT16 ? BCQ_BFLOAT16
                                           : BCQ_FLOAT32;
}

template <class Void>
Buffer<Void> buffer_of(const Tensor& tensor) {
  return {tensor.data(), type_of(tensor.dtype()), tensorflow::DataTypeSize(tensor.dtype()),
          tensor.shape().dim_sizes()};
}

/* Under a variable's lock, no one can change it: no copy is needed. */
class LockedVariable {
 public:
  /* Input 0's, which must have a value of this type. */
  absl::Status lock(OpKernelContext* c, tensorflow::DataType type) {
    tensorflow::ResourceHandle handle;
    TF_RETURN_IF_ERROR(HandleFromInput(c, 0, &handle));
    TF_RETURN_IF_ERROR(LookupResource(c, handle, &variable_));
    lock_.emplace(*variable_->mu());
    if (variable_->is_initialized && value().dtype() == type) return absl::OkStatus();
    return absl::FailedPreconditionError(
        "`variable` must have a value of the type T. Received: another, or none");
  }

  const Tensor& value() { return *variable_->tensor(); }

 private:
  tensorflow::core::RefCountPtr<tensorflow::Var> variable_;
  std::optional<tensorflow::tf_shared_lock> lock_;
};

/* make_device: a Cpu or Cuda from an OpKernelContext. */
template <class Op, auto make_device>
class Kernel : public OpKernel {
 public:
  explicit Kernel(OpKernelConstruction* c) : OpKernel(c) {
    OP_REQUIRES_OK(c, read_attributes(c, &op_));
    if (Op::kReadsVariable) OP_REQUIRES_OK(c, c->GetAttr("T", &variable_type_));
  }

  void Compute(OpKernelContext* c) override { OP_REQUIRES_OK(c, compute(c)); }

  static OpKernel* make(OpKernelConstruction* c) { return new Kernel(c); }

 private:
  absl::Status compute(OpKernelContext* c) const {
    Op op = op_;
    LockedVariable variable;
    if (Op::kReadsVariable) TF_RETURN_IF_ERROR(variable.lock(c, variable_type_));
    Inputs in;
    Shapes shapes, results;
    for (int i = 0; i < c->num_inputs(); ++i) {
      const Tensor& input = Op::kReadsVariable && i == 0 ? variable.value() : c->input(i);
      in.push_back(buffer_of<const void>(input));
      shapes.push_back({in.back().dims});
    }
    TF_RETURN_IF_ERROR(check_shapes(&op, shapes, &results));
    Outputs out;
    Tensor first; /* output 0, where it may become shorter */
    for (size_t i = 0; i < results.size(); ++i) {
      Tensor* output = &first;
      TF_RETURN_IF_ERROR(allocate(c, static_cast<int>(i), results[i], &output));
      out.push_back(buffer_of<void>(*output));
    }
    TF_RETURN_IF_ERROR(op.run(in, out, make_device(c)));
    if (Op::kShortens) c->set_output(0, first.Slice(0, out[0].count));
    return absl::OkStatus();
  }

  absl::Status allocate(OpKernelContext* c, int i, const Shape& result, Tensor** output) const {
    TensorShape shape;
    TF_RETURN_IF_ERROR(TensorShape::BuildTensorShape(result.dims, &shape));
    return Op::kShortens && i == 0 ? c->allocate_temp(output_type(0), shape, *output)
                                   : c->allocate_output(i, shape, output);
  }

  Op op_;
  tensorflow::DataType variable_type_ = tensorflow::DT_INVALID;
};

template <class Op, auto make_device>
void register_kernel(const tensorflow::KernelDef* kernel) {
  tensorflow::kernel_factory::OpKernelRegistrar(kernel, Op::kName, Kernel<Op, make_device>::make);
}

}  // namespace bcq

#endif
