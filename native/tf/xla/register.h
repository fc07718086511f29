/* Making XLA know what compiles an op, and calls of functions of this library. */
#ifndef BCQ_TF_XLA_REGISTER_H_
#define BCQ_TF_XLA_REGISTER_H_

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tensorflow/compiler/tf2xla/shape_util.h"
#include "tensorflow/compiler/tf2xla/type_util.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "tf/sizes.h"
#include "xla/hlo/builder/xla_builder.h"
#include "xla/shape_util.h"

namespace bcq {

using tensorflow::OpKernelConstruction;
using tensorflow::XlaOpKernel;
using tensorflow::XlaOpKernelContext;

inline xla::Shape RowMajor(xla::PrimitiveType type, const TensorShape& shape) {
  return xla::ShapeUtil::MakeShapeWithDescendingLayout(type, shape.dim_sizes());
}

using Shapes = std::vector<TensorShape>; /* of an op's inputs */

/* The shape of input `i`; an error where XLA does not know it. */
inline absl::Status ReadShape(XlaOpKernelContext* c, int i, TensorShape* result) {
  TF_ASSIGN_OR_RETURN(const xla::Shape shape, c->InputXlaShape(i));
  if (shape.is_dynamic()) {
    return absl::UnimplementedError(absl::StrCat(
        "Input ", i, " must have a size that XLA knows when it compiles. Received: ",
        shape.ToString()));
  }
  TF_RETURN_IF_ERROR(CheckSize(shape.dimensions()));
  return tensorflow::XLAShapeToTensorShape(shape, result);
}

inline absl::Status ReadShapes(XlaOpKernelContext* c, Shapes* shapes) {
  shapes->resize(c->num_inputs());
  for (int i = 0; i < c->num_inputs(); ++i) TF_RETURN_IF_ERROR(ReadShape(c, i, &(*shapes)[i]));
  return absl::OkStatus();
}

/* The call of the function `name` of this library on inputs of these shapes. */
inline xla::XlaOp CallByName(XlaOpKernelContext* c, const std::string& name,
                             const std::vector<xla::XlaOp>& inputs, const Shapes& shapes,
                             const xla::Shape& result, const std::vector<int64_t>& facts) {
  std::vector<xla::Shape> row_major;
  for (size_t i = 0; i < shapes.size(); ++i) {
    const auto type = c->builder()->GetShape(inputs[i])->element_type();
    row_major.push_back(RowMajor(type, shapes[i]));
  }
  return xla::CustomCallWithLayout(
      c->builder(), name, inputs, result, row_major,
      absl::StrCat("{facts = array<i64: ", absl::StrJoin(facts, ", "), ">}"),
      /*has_side_effect=*/false, /*output_operand_aliasing=*/{}, /*literal=*/nullptr,
      xla::CustomCallSchedule::SCHEDULE_NONE, xla::CustomCallApiVersion::API_VERSION_TYPED_FFI);
}

/* The first `count` inputs. */
inline std::vector<xla::XlaOp> Inputs(XlaOpKernelContext* c, size_t count) {
  std::vector<xla::XlaOp> inputs;
  for (size_t i = 0; i < count; ++i) inputs.push_back(c->Input(static_cast<int>(i)));
  return inputs;
}

inline const std::vector<absl::string_view> kDevices = {tensorflow::DEVICE_CPU_XLA_JIT,
                                                        tensorflow::DEVICE_GPU_XLA_JIT};
inline const std::vector<absl::string_view> kCpuOnly = {tensorflow::DEVICE_CPU_XLA_JIT};

/* XLA makes its kernels of what is registered when it is first used; what comes later is not seen. */
inline bool TooLateForXla() {
  const auto registered = tensorflow::GetRegisteredKernelsForOp("AddV2");
  return std::any_of(registered.kernel().begin(), registered.kernel().end(), [](const auto& kernel) {
    return kernel.device_type() == tensorflow::DEVICE_CPU_XLA_JIT;
  });
}

template <typename Kernel>
bool RegisterKernels(const char* op, const std::vector<absl::string_view>& devices) {
  for (const absl::string_view device : devices) {
    const auto* kernel =
        tensorflow::KernelDefBuilder(op).Device(std::string(device).c_str()).Build();
    tensorflow::kernel_factory::OpKernelRegistrar(
        kernel, op,
        [](OpKernelConstruction* c) -> tensorflow::OpKernel* { return new Kernel(c); });
  }
  return true;
}

#define BCQ_REGISTER_XLA(NAME, DEVICES)                          \
  REGISTER_XLA_OP(Name("Bcq" #NAME).Device(DEVICES), NAME##Xla)  \
  [[maybe_unused]] const bool k##NAME##Late =                    \
      TooLateForXla() && RegisterKernels<NAME##Xla>("Bcq" #NAME, DEVICES)

}  // namespace bcq

#endif
