/* The ops' definitions and shape functions, from their structs. */
#include <vector>

#include "absl/strings/str_split.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tf/attributes.h"
#include "tf/ops/all.h"

namespace bcq {
namespace {

using tensorflow::shape_inference::DimensionHandle;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

/* Shapes from handles and back. Each unknown dimension gets a number of its own below kUnknown, so
 * that it stays the same dimension where an op hands it on. */
class Handles {
 public:
  explicit Handles(InferenceContext* c) : c_(c) {}

  Shape shape(ShapeHandle handle) {
    if (!c_->RankKnown(handle)) return {{}, false};
    Shape shape;
    for (int i = 0; i < c_->Rank(handle); ++i) shape.dims.push_back(number(c_->Dim(handle, i)));
    return shape;
  }

  ShapeHandle handle(const Shape& shape) const {
    if (!shape.ranked) return c_->UnknownShape();
    std::vector<DimensionHandle> dims;
    for (const int64_t dim : shape.dims) dims.push_back(dimension(dim));
    return c_->MakeShape(dims);
  }

 private:
  int64_t number(DimensionHandle dim) {
    if (c_->ValueKnown(dim)) return c_->Value(dim);
    unknown_.push_back(dim);
    return kUnknown - static_cast<int64_t>(unknown_.size());
  }

  DimensionHandle dimension(int64_t number) const {
    if (number >= 0) return c_->MakeDim(number);
    return number == kUnknown ? c_->UnknownDim() : unknown_[kUnknown - number - 1];
  }

  InferenceContext* c_;
  std::vector<DimensionHandle> unknown_;
};

template <class Op>
absl::Status shape_function(InferenceContext* c) {
  Op op;
  TF_RETURN_IF_ERROR(read_attributes(c, &op));
  Handles handles(c);
  Shapes in, out;
  for (int i = 0; i < c->num_inputs(); ++i) {
    const bool is_variable = Op::kReadsVariable && i == 0;
    in.push_back(handles.shape(is_variable ? c->UnknownShape() : c->input(i)));
  }
  TF_RETURN_IF_ERROR(infer_shapes(&op, in, &out));
  if (Op::kShortens) out[0].dims[0] = kUnknown;
  for (size_t i = 0; i < out.size(); ++i) {
    c->set_output(static_cast<int>(i), handles.handle(out[i]));
  }
  return absl::OkStatus();
}

template <class Op>
void define() {
  tensorflow::register_op::OpDefBuilderWrapper builder(Op::kName);
  const std::vector<std::string> sides = absl::StrSplit(Op::kSignature, " -> ");
  for (const auto input : absl::StrSplit(sides[0], ", ")) builder.Input(std::string(input));
  for (const auto output : absl::StrSplit(sides[1], ", ")) builder.Output(std::string(output));
  for (const std::string& definition : definitions<Op>()) builder.Attr(definition);
  if (Op::kReadsVariable) builder.SetIsStateful();
  builder.SetShapeFn(shape_function<Op>)();
}

const bool kDefined = AllOps::for_each([](auto op) { define<typename decltype(op)::type>(); });

}  // namespace
}  // namespace bcq
