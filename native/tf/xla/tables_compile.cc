/* What XLA compiles the embedding ops to: calls of the functions in tables_calls.cc, or in
 * gpu/tables_calls.cc. */
#include "tf/tables.h"
#include "tf/xla/register.h"

namespace bcq {
namespace {

/* What tables.h reads again. */
std::vector<int64_t> Numbers(const TableFacts& facts, bool deterministic) {
  std::vector<int64_t> numbers = facts.sizes;
  numbers.insert(numbers.end(), facts.dims.begin(), facts.dims.end());
  numbers.push_back(deterministic);
  return numbers;
}

class TablesXla : public XlaOpKernel {
 public:
  explicit TablesXla(OpKernelConstruction* c) : XlaOpKernel(c) {
    OP_REQUIRES_OK(c, ReadTableFacts(c, &facts_));
  }

  void Compile(XlaOpKernelContext* c) override {
    Shapes shapes;
    OP_REQUIRES_OK(c, ReadShapes(c, &shapes));
    TableFacts facts = facts_;
    OP_REQUIRES_OK(c, Complete(&facts, shapes[2]));
    TensorShape result;
    OP_REQUIRES_OK(c, ResultShape(facts, shapes, &result));
    shapes.pop_back(); /* what is called has no use for `counted` */
    const xla::Shape shape = RowMajor(c->input_xla_type(float_input_), result);
    c->SetOutput(0, CallByName(c, type_string(), Inputs(c, shapes.size()), shapes, shape,
                               Numbers(facts, deterministic_)));
  }

 protected:
  virtual absl::Status ResultShape(const TableFacts& facts, const Shapes& shapes,
                                   TensorShape* result) = 0;

  int float_input_ = 0; /* the result has its type */
  bool deterministic_ = true;

 private:
  TableFacts facts_;
};

class TablesGatherXla : public TablesXla {
  using TablesXla::TablesXla;

  absl::Status ResultShape(const TableFacts& facts, const Shapes& shapes,
                           TensorShape* result) override {
    int64_t batch = 0;
    return CheckGather(facts, shapes[0], shapes[1], result, &batch);
  }
};

class TablesGradientXla : public TablesXla {
 public:
  explicit TablesGradientXla(OpKernelConstruction* c) : TablesXla(c) {
    float_input_ = 1;
    OP_REQUIRES_OK(c, c->GetAttr("deterministic", &deterministic_));
  }

 private:
  absl::Status ResultShape(const TableFacts& facts, const Shapes& shapes,
                           TensorShape* result) override {
    int64_t batch = 0;
    return CheckGradient(facts, shapes[0], shapes[1], result, &batch);
  }
};

class VariableRowsXla : public XlaOpKernel {
 public:
  explicit VariableRowsXla(OpKernelConstruction* c) : XlaOpKernel(c) {
    OP_REQUIRES_OK(c, ReadTableFact(c, &facts_));
    OP_REQUIRES_OK(c, c->GetAttr("T", &type_));
  }

  void Compile(XlaOpKernelContext* c) override {
    TensorShape table, ids, rows;
    int64_t batch = 0;
    xla::XlaOp value;
    xla::PrimitiveType type;
    OP_REQUIRES_OK(c, ReadShape(c, 1, &ids));
    OP_REQUIRES_OK(c, c->ReadVariableInput(0, type_, &table, &value));
    OP_REQUIRES_OK(c, CheckSize(table.dim_sizes()));
    OP_REQUIRES_OK(c, CheckGather(facts_, table, ids, &rows, &batch));
    OP_REQUIRES_OK(c, tensorflow::DataTypeToPrimitiveType(type_, &type));
    c->SetOutput(0, CallByName(c, "BcqTablesGather", {value, c->Input(1)}, {table, ids},
                               RowMajor(type, rows), Numbers(facts_, true)));
  }

 private:
  TableFacts facts_;
  tensorflow::DataType type_;
};

/* XLA must know sizes: `unique` is as long as the ids, its end repeats the first of them. */
class UniqueIdsXla : public XlaOpKernel {
 public:
  explicit UniqueIdsXla(OpKernelConstruction* c) : XlaOpKernel(c) {
    OP_REQUIRES_OK(c, c->GetAttr("size", &size_));
  }

  void Compile(XlaOpKernelContext* c) override {
    Shapes shapes;
    OP_REQUIRES_OK(c, ReadShapes(c, &shapes));
    const TensorShape unique({shapes[0].num_elements()});
    const xla::Shape result = xla::ShapeUtil::MakeTupleShape(
        {RowMajor(c->input_xla_type(0), unique), RowMajor(xla::S32, shapes[0])});
    const xla::XlaOp both = CallByName(c, type_string(), Inputs(c, 1), shapes, result, {size_});
    c->SetOutput(0, xla::GetTupleElement(both, 0));
    c->SetOutput(1, xla::GetTupleElement(both, 1));
  }

 private:
  int64_t size_;
};

BCQ_REGISTER_XLA(TablesGather, kDevices);
BCQ_REGISTER_XLA(TablesGradient, kDevices);
BCQ_REGISTER_XLA(VariableRows, kDevices);
BCQ_REGISTER_XLA(UniqueIds, kCpuOnly);

}  // namespace
}  // namespace bcq
