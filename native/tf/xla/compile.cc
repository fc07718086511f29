/* What XLA compiles the ops to: calls of the functions in calls.cc, or in gpu/calls.cc. */
#include <algorithm>
#include <vector>

#include "tf/facts.h"
#include "tf/xla/facts.h"
#include "tf/xla/register.h"

namespace bcq {
namespace {

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
    std::vector<int64_t> facts = {precision_, facts_.rows, facts_.columns, facts_.group_size};
    facts.insert(facts.end(), facts_.plane_rows.begin(), facts_.plane_rows.end());
    return CallByName(c, type_string(), Inputs(c, shapes.size()), shapes, result, facts);
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
    TensorShape rows;
    TF_RETURN_IF_ERROR(Append(shapes[0], facts_.columns, &rows));
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

BCQ_REGISTER_XLA(Product, kDevices);
BCQ_REGISTER_XLA(ProductTransposed, kDevices);
BCQ_REGISTER_XLA(ProductScaleGradient, kDevices);
BCQ_REGISTER_XLA(Gather, kDevices);
BCQ_REGISTER_XLA(GatherScaleGradient, kDevices);

}  // namespace
}  // namespace bcq
