/* What XLA compiles the ops to: calls of the functions in calls.cc, or in gpu/calls.cc. */
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "tensorflow/compiler/tf2xla/shape_util.h"
#include "tensorflow/compiler/tf2xla/type_util.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "tf/facts.h"
#include "tf/xla/facts.h"
#include "xla/hlo/builder/xla_builder.h"
#include "xla/shape_util.h"

namespace bcq {
namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::XlaOpKernel;
using tensorflow::XlaOpKernelContext;

xla::Shape RowMajor(xla::PrimitiveType type, const TensorShape& shape) {
  return xla::ShapeUtil::MakeShapeWithDescendingLayout(type, shape.dim_sizes());
}

using Shapes = std::vector<TensorShape>; /* of an op's inputs */

class CodesXla : public XlaOpKernel {
 public:
  explicit CodesXla(OpKernelConstruction* c) : XlaOpKernel(c) {
    OP_REQUIRES_OK(c, ReadFacts(c, &facts_));
  }

  void Compile(XlaOpKernelContext* c) override {
    Shapes shapes;
    OP_REQUIRES_OK(c, ReadShapes(c, &shapes));
    CodesShapes codes;
    std::copy(shapes.end() - kCodesInputs, shapes.end(), codes.begin());
    OP_REQUIRES_OK(c, CheckCodes(facts_, codes));
    OP_REQUIRES_OK(c, Emit(c, shapes));
  }

 protected:
  /* Sets the outputs, for inputs of these shapes. */
  virtual absl::Status Emit(XlaOpKernelContext* c, const Shapes& shapes) = 0;

  /* The call of the function that has the op's own name, on all inputs. */
  xla::XlaOp Call(XlaOpKernelContext* c, const Shapes& shapes, const xla::Shape& result) const {
    std::vector<xla::XlaOp> inputs;
    std::vector<xla::Shape> row_major;
    for (size_t i = 0; i < shapes.size(); ++i) {
      inputs.push_back(c->Input(i));
      row_major.push_back(RowMajor(c->input_xla_type(i), shapes[i]));
    }
    return xla::CustomCallWithLayout(
        c->builder(), type_string(), inputs, result, row_major, Constants(),
        /*has_side_effect=*/false, /*output_operand_aliasing=*/{}, /*literal=*/nullptr,
        xla::CustomCallSchedule::SCHEDULE_NONE,
        xla::CustomCallApiVersion::API_VERSION_TYPED_FFI);
  }

  /* Outputs 0 and 1: the gradients of scales and offset. */
  void CallForGradients(XlaOpKernelContext* c, const Shapes& shapes) const {
    const TensorShape& offset = shapes[shapes.size() - kCodesInputs + kOffset];
    const xla::Shape result = xla::ShapeUtil::MakeTupleShape(
        {RowMajor(xla::F32, facts_.ScalesShape()), RowMajor(xla::F32, offset)});
    const xla::XlaOp both = Call(c, shapes, result);
    c->SetOutput(0, xla::GetTupleElement(both, 0));
    c->SetOutput(1, xla::GetTupleElement(both, 1));
  }

  Facts facts_;
  bcq_precision precision_ = BCQ_EXACT;

 private:
  static absl::Status ReadShapes(XlaOpKernelContext* c, Shapes* shapes) {
    shapes->resize(c->num_inputs());
    for (int i = 0; i < c->num_inputs(); ++i) {
      TF_ASSIGN_OR_RETURN(const xla::Shape shape, c->InputXlaShape(i));
      if (shape.is_dynamic()) {
        return absl::UnimplementedError(absl::StrCat(
            "Input ", i, " must have a size that XLA knows when it compiles. Received: ",
            shape.ToString()));
      }
      TF_RETURN_IF_ERROR(tensorflow::XLAShapeToTensorShape(shape, &(*shapes)[i]));
    }
    return absl::OkStatus();
  }

  std::string Constants() const {
    return absl::StrCat("{facts = array<i64: ", static_cast<int>(precision_), ", ", facts_.rows,
                        ", ", facts_.columns, ", ", facts_.group_size, ", ",
                        absl::StrJoin(facts_.plane_rows, ", "), ">}");
  }
};

class ProductXla : public CodesXla {
 public:
  explicit ProductXla(OpKernelConstruction* c) : CodesXla(c) {
    OP_REQUIRES_OK(c, ReadPrecision(c, &precision_));
  }

 private:
  absl::Status Emit(XlaOpKernelContext* c, const Shapes& shapes) override {
    TensorShape y;
    TF_RETURN_IF_ERROR(ReplaceLast("x", shapes[0], facts_.columns, facts_.rows, &y));
    c->SetOutput(0, Call(c, shapes, RowMajor(c->input_xla_type(0), y)));
    return absl::OkStatus();
  }
};

class ProductTransposedXla : public CodesXla {
  using CodesXla::CodesXla;

  absl::Status Emit(XlaOpKernelContext* c, const Shapes& shapes) override {
    TensorShape dx;
    TF_RETURN_IF_ERROR(ReplaceLast("dy", shapes[0], facts_.rows, facts_.columns, &dx));
    c->SetOutput(0, Call(c, shapes, RowMajor(c->input_xla_type(0), dx)));
    return absl::OkStatus();
  }
};

class ProductScaleGradientXla : public CodesXla {
  using CodesXla::CodesXla;

  absl::Status Emit(XlaOpKernelContext* c, const Shapes& shapes) override {
    TF_RETURN_IF_ERROR(CheckPair(facts_, shapes[0], shapes[1]));
    CallForGradients(c, shapes);
    return absl::OkStatus();
  }
};

class GatherXla : public CodesXla {
 public:
  explicit GatherXla(OpKernelConstruction* c) : CodesXla(c) {
    tensorflow::DataType type;
    OP_REQUIRES_OK(c, c->GetAttr("T", &type));
    OP_REQUIRES_OK(c, tensorflow::DataTypeToPrimitiveType(type, &type_));
  }

 private:
  absl::Status Emit(XlaOpKernelContext* c, const Shapes& shapes) override {
    TensorShape rows = shapes[0];
    TF_RETURN_IF_ERROR(rows.AddDimWithStatus(facts_.columns));
    c->SetOutput(0, Call(c, shapes, RowMajor(type_, rows)));
    return absl::OkStatus();
  }

  xla::PrimitiveType type_;
};

class GatherScaleGradientXla : public CodesXla {
  using CodesXla::CodesXla;

  absl::Status Emit(XlaOpKernelContext* c, const Shapes& shapes) override {
    TF_RETURN_IF_ERROR(CheckGathered(facts_, shapes[0], shapes[1]));
    CallForGradients(c, shapes);
    return absl::OkStatus();
  }
};

const absl::string_view kDevices[] = {tensorflow::DEVICE_CPU_XLA_JIT,
                                      tensorflow::DEVICE_GPU_XLA_JIT};

/* XLA makes its kernels of what is registered when it is first used; what comes later is not seen. */
bool TooLateForXla() {
  const auto registered = tensorflow::GetRegisteredKernelsForOp("AddV2");
  return std::any_of(registered.kernel().begin(), registered.kernel().end(), [](const auto& kernel) {
    return kernel.device_type() == tensorflow::DEVICE_CPU_XLA_JIT;
  });
}

template <typename Kernel>
bool RegisterKernels(const char* op) {
  for (const absl::string_view device : kDevices) {
    const auto* kernel =
        tensorflow::KernelDefBuilder(op).Device(std::string(device).c_str()).Build();
    tensorflow::kernel_factory::OpKernelRegistrar(
        kernel, op,
        [](OpKernelConstruction* c) -> tensorflow::OpKernel* { return new Kernel(c); });
  }
  return true;
}

#define BCQ_REGISTER(NAME)                                           \
  REGISTER_XLA_OP(Name("Bcq" #NAME).Device(kDevices), NAME##Xla)     \
  [[maybe_unused]] const bool k##NAME##Late =                        \
      TooLateForXla() && RegisterKernels<NAME##Xla>("Bcq" #NAME)
BCQ_REGISTER(Product);
BCQ_REGISTER(ProductTransposed);
BCQ_REGISTER(ProductScaleGradient);
BCQ_REGISTER(Gather);
BCQ_REGISTER(GatherScaleGradient);

}  // namespace
}  // namespace bcq
