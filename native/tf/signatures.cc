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
    for (int i = 0; i < c_->Rank(handle); ++i) {
      const DimensionHandle dim = c_->Dim(handle, i);
      if (!c_->ValueKnown(dim)) unknown_.push_back(dim);
      shape.dims.push_back(c_->ValueKnown(dim) ? c_->Value(dim) : number(unknown_.size()));
    }
    return shape;
  }

  ShapeHandle handle(const Shape& shape) const {
    if (!shape.ranked) return c_->UnknownShape();
    std::vector<DimensionHandle> dims;
    for (const int64_t dim : shape.dims) {
      dims.push_back(dim >= 0           ? c_->MakeDim(dim)
                     : dim == kUnknown ? c_->UnknownDim()
                                        : unknown_[number(dim)]);
    }
    return c_->MakeShape(dims);
  }

 private:
  /* Of the last among `count` dimensions, and from it the place of the dimension. */
  static int64_t number(size_t count) { return kUnknown - static_cast<int64_t>(count); }
  static size_t number(int64_t dim) { return static_cast<size_t>(kUnknown - dim - 1); }

  InferenceContext* c_;
  std::vector<DimensionHandle> unknown_;
};

template <class Op>
absl::Status infer_shapes(InferenceContext* c) {
  Op op;
  TF_RETURN_IF_ERROR(read_attributes(c, &op));
  Handles handles(c);
  Shapes in, out;
  for (int i = 0; i < c->num_inputs(); ++i) {
    const bool is_variable = Op::kReadsVariable && i == 0;
    in.push_back(handles.shape(is_variable ? c->UnknownShape() : c->input(i)));
  }
  TF_RETURN_IF_ERROR(op.outputs(in, &out));
  if (Op::kShortens) out[0].dims[0] = kUnknown;
  for (size_t i = 0; i < out.size(); ++i) {
    TF_RETURN_IF_ERROR(check_size(out[i]));
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
  builder.SetShapeFn(infer_shapes<Op>)();
}

const bool kDefined = AllOps::for_each([](auto op) { define<typename decltype(op)::type>(); });

}  // namespace
}  // namespace bcq
