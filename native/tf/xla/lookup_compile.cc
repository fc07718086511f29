/* What XLA compiles the ops on packed integers to: calls of the functions in lookup_calls.cc. */
#include "tf/lookup.h"
#include "tf/xla/register.h"

namespace bcq {
namespace {

class LookupXla : public XlaOpKernel {
 public:
  using XlaOpKernel::XlaOpKernel;

  void Compile(XlaOpKernelContext* c) override {
    Shapes shapes;
    OP_REQUIRES_OK(c, ReadShapes(c, &shapes));
    TensorShape result;
    OP_REQUIRES_OK(c, ResultShape(shapes, &result));
    c->SetOutput(0, CallByName(c, type_string(), Inputs(c, shapes.size()), shapes,
                               RowMajor(xla::F32, result), Numbers()));
  }

 protected:
  virtual absl::Status ResultShape(const Shapes& shapes, TensorShape* result) = 0;
  /* What the shapes do not tell. */
  virtual std::vector<int64_t> Numbers() const = 0;
};

class UniformRowsXla : public LookupXla {
 public:
  explicit UniformRowsXla(OpKernelConstruction* c) : LookupXla(c) {
    OP_REQUIRES_OK(c, facts_.Read(c));
  }

 private:
  absl::Status ResultShape(const Shapes& shapes, TensorShape* result) override {
    bcq_uniform table;
    return facts_.Check(shapes[0], shapes[1], shapes[2], shapes[3], &table, result);
  }
  std::vector<int64_t> Numbers() const override { return {facts_.bits, facts_.columns}; }

  UniformFacts facts_;
};

class CompositionalRowsXla : public LookupXla {
 public:
  explicit CompositionalRowsXla(OpKernelConstruction* c) : LookupXla(c) {
    OP_REQUIRES_OK(c, c->GetAttr("bits", &bits_));
  }

 private:
  absl::Status ResultShape(const Shapes& shapes, TensorShape* result) override {
    bcq_compositional table;
    return CheckCompositional(bits_, shapes[0], shapes[1], shapes[2], &table, result);
  }
  std::vector<int64_t> Numbers() const override { return {bits_}; }

  int64_t bits_;
};

class CompositionalGradientXla : public LookupXla {
 public:
  explicit CompositionalGradientXla(OpKernelConstruction* c) : LookupXla(c) {
    OP_REQUIRES_OK(c, facts_.Read(c));
  }

 private:
  absl::Status ResultShape(const Shapes& shapes, TensorShape* result) override {
    bcq_compositional table;
    return facts_.Check(shapes[0], shapes[1], shapes[2], &table, result);
  }
  std::vector<int64_t> Numbers() const override { return {facts_.bits}; }

  CodebookFacts facts_;
};

BCQ_REGISTER_XLA(UniformRows, kCpuOnly);
BCQ_REGISTER_XLA(CompositionalRows, kCpuOnly);
BCQ_REGISTER_XLA(CompositionalGradient, kCpuOnly);

}  // namespace
}  // namespace bcq
