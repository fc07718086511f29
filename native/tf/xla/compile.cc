/* What XLA compiles an op to: the call of the function of its name, in calls.cc or gpu/calls.cc. */
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
/* xla_op_kernel.h includes XLA's compiler, service and clients, which take longer to read than all
 * else here to compile, for pointers to these. */
#define TENSORFLOW_COMPILER_TF2XLA_XLA_COMPILER_H_
#define TENSORFLOW_COMPILER_TF2XLA_XLA_CONTEXT_H_
#define XLA_CLIENT_CLIENT_H_
namespace tensorflow {
class XlaCompiler;
class XlaContext;
}  // namespace tensorflow
namespace xla {
class Client;
}  // namespace xla
#include "tensorflow/compiler/tf2xla/type_util.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "tf/attributes.h"
#include "tf/ops/all.h"
#include "xla/hlo/builder/xla_builder.h"
#include "xla/shape_util.h"

namespace bcq {
namespace {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::XlaOpKernel;
using tensorflow::XlaOpKernelContext;

xla::Shape row_major(xla::PrimitiveType type, const Shape& shape) {
  return xla::ShapeUtil::MakeShapeWithDescendingLayout(type, shape.dims);
}

/* An op's inputs. */
struct Operands {
  std::vector<xla::XlaOp> values;
  Shapes shapes;

  /* An error where XLA does not know the shape. */
  absl::Status add_input(XlaOpKernelContext* c, int i) {
    TF_ASSIGN_OR_RETURN(const xla::Shape shape, c->InputXlaShape(i));
    if (shape.is_dynamic()) {
      return absl::UnimplementedError(absl::StrCat(
          "Input ", i,
          " must have a size that XLA knows when it compiles. Received: ", shape.ToString()));
    }
    shapes.push_back({Dims(shape.dimensions().begin(), shape.dimensions().end())});
    values.push_back(c->Input(i));
    return absl::OkStatus();
  }

  absl::Status add_variable(XlaOpKernelContext* c, int i, tensorflow::DataType type) {
    tensorflow::TensorShape shape;
    TF_RETURN_IF_ERROR(c->ReadVariableInput(i, type, &shape, &values.emplace_back()));
    shapes.push_back({shape.dim_sizes()});
    return absl::OkStatus();
  }
};

/* The call of a function of this library. */
xla::XlaOp call_by_name(XlaOpKernelContext* c, const char* name, const Operands& operands,
                        const xla::Shape& result, const std::vector<int64_t>& attributes) {
  std::vector<xla::Shape> layouts;
  for (size_t i = 0; i < operands.values.size(); ++i) {
    const auto type = c->builder()->GetShape(operands.values[i])->element_type();
    layouts.push_back(row_major(type, operands.shapes[i]));
  }
  return xla::CustomCallWithLayout(
      c->builder(), name, operands.values, result, layouts,
      absl::StrCat("{attributes = array<i64", attributes.empty() ? "" : ": ",
                   absl::StrJoin(attributes, ", "), ">}"),
      /*has_side_effect=*/false, /*output_operand_aliasing=*/{}, /*literal=*/nullptr,
      xla::CustomCallSchedule::SCHEDULE_NONE, xla::CustomCallApiVersion::API_VERSION_TYPED_FFI);
}

template <class Op>
class XlaCall : public XlaOpKernel {
 public:
  explicit XlaCall(OpKernelConstruction* c) : XlaOpKernel(c) {
    OP_REQUIRES_OK(c, read_attributes(c, &op_));
    if (Op::kReadsVariable) OP_REQUIRES_OK(c, c->GetAttr("T", &variable_type_));
  }

  void Compile(XlaOpKernelContext* c) override { OP_REQUIRES_OK(c, compile(c)); }

  static OpKernel* make(OpKernelConstruction* c) { return new XlaCall(c); }

 private:
  absl::Status compile(XlaOpKernelContext* c) const {
    Op op = op_;
    Operands operands;
    Shapes results;
    for (int i = 0; i < c->num_inputs(); ++i) {
      TF_RETURN_IF_ERROR(Op::kReadsVariable && i == 0 ? operands.add_variable(c, i, variable_type_)
                                                      : operands.add_input(c, i));
    }
    TF_RETURN_IF_ERROR(check_shapes(&op, operands.shapes, &results));
    operands.values.resize(operands.values.size() - Op::kShapesOnly);
    std::vector<xla::Shape> shapes;
    for (size_t i = 0; i < results.size(); ++i) {
      xla::PrimitiveType type;
      TF_RETURN_IF_ERROR(DataTypeToPrimitiveType(output_type(static_cast<int>(i)), &type));
      shapes.push_back(row_major(type, results[i]));
    }
    const bool one = shapes.size() == 1;
    const xla::XlaOp called =
        call_by_name(c, Op::kName, operands,
                     one ? shapes[0] : xla::ShapeUtil::MakeTupleShape(shapes), encode(op));
    for (size_t i = 0; i < shapes.size(); ++i) {
      c->SetOutput(static_cast<int>(i), one ? called : xla::GetTupleElement(called, i));
    }
    return absl::OkStatus();
  }

  Op op_;
  tensorflow::DataType variable_type_ = tensorflow::DT_INVALID;
};

/* XLA makes its kernels of what is registered when it is first used; what comes later it does not
 * see. */
bool too_late_for_xla() {
  const auto registered = tensorflow::GetRegisteredKernelsForOp("AddV2").kernel();
  return std::any_of(registered.begin(), registered.end(), [](const auto& kernel) {
    return kernel.device_type() == tensorflow::DEVICE_CPU_XLA_JIT;
  });
}

template <class Op>
void register_call() {
  std::vector<absl::string_view> devices = {tensorflow::DEVICE_CPU_XLA_JIT};
  if (RunsOn<Op, Cuda>::value) devices.push_back(tensorflow::DEVICE_GPU_XLA_JIT);
  static const tensorflow::XlaOpRegistrar registrar(
      tensorflow::XlaOpRegistrationBuilder::Name(Op::kName).Device(devices).Build(
          XlaCall<Op>::make));
  if (!too_late_for_xla()) return;
  for (const absl::string_view device : devices) {
    tensorflow::kernel_factory::OpKernelRegistrar(
        tensorflow::KernelDefBuilder(Op::kName).Device(std::string(device).c_str()).Build(),
        Op::kName, XlaCall<Op>::make);
  }
}

const bool kCompilationRegistered =
    AllOps::for_each([](auto op) { register_call<typename decltype(op)::type>(); });

}  // namespace
}  // namespace bcq
