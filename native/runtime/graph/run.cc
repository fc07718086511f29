#include "runtime/graph/run.h"

#include "runtime/graph/dtypes.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

namespace {

/* Whether the only number of an array is not 0. */
bool holds(Context& context, const Array& condition) {
  check_numbers(condition);
  if (condition.count != 1) fail("a condition is ", condition.shape);
  return *as_dtype(context, condition, BCQ_BOOL).numbers<bool>();
}

/* Values of inputs; those that are used for the last time leave the function. */
void take(Function* function, const std::vector<Input>& inputs, Array* to) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Input& input = inputs[i];
    if (input.value < 0) {
      to[i] = input.constant;
    } else if (input.is_last) {
      to[i] = std::move(function->values[static_cast<size_t>(input.value)]);
    } else {
      to[i] = function->values[static_cast<size_t>(input.value)];
    }
  }
}

void repeat(bcq_model* model, const Node& node, Array* state) {
  Function *const condition = node.called[0], *const body = node.called[1];
  for (;;) {
    model->context.charge(1);
    for (size_t i = 0; i < node.inputs.size(); ++i) condition->values[i] = state[i];
    Array answer;
    run(model, condition, &answer);
    if (!holds(model->context, answer)) return;
    for (size_t i = 0; i < node.inputs.size(); ++i) body->values[i] = std::move(state[i]);
    run(model, body, state);
  }
}

void choose(bcq_model* model, const Node& node, Array* in, Array* out) {
  Function* const chosen = node.called[holds(model->context, in[0]) ? 0 : 1];
  for (size_t i = 1; i < node.inputs.size(); ++i) chosen->values[i - 1] = std::move(in[i]);
  run(model, chosen, out);
}

bool is_half(const Array& x) { return x.kind == Kind::kNumbers && x.dtype == BCQ_F16; }

/* Widens inputs that are in half precision; whether there are some. */
bool widen_halves(Context& context, const Node& node, Array* in) {
  bool any = false;
  for (int64_t i = 0; i < node.count() && node.operation->half == Half::kWide; ++i) {
    if (!is_half(in[i])) continue;
    in[i] = as_dtype(context, in[i], BCQ_F32);
    any = true;
  }
  return any;
}

/* Widens the integers that it computes with; whether there are some, all of one type. */
bool widen_integers(Context& context, const Node& node, Array* in) {
  const int8_t computes = node.operation->computes;
  if (computes == 0 || !is_short_integer(in[0].dtype)) return false;
  if (in[0].dtype == BCQ_I32 && node.operation->integers == Integers::kInt32) return false;
  const int64_t count = computes == kAny ? node.count() : computes;
  for (int64_t i = 0; i < count; ++i) {
    if (in[i].kind != Kind::kNumbers || in[i].dtype != in[0].dtype) return false;
  }
  for (int64_t i = 0; i < count; ++i) in[i] = widened(context, in[i]);
  return true;
}

void narrow(Context& context, const Node& node, bcq_dtype from, bcq_dtype to, Array* out) {
  for (int64_t i = 0; i < node.outputs; ++i) {
    if (out[i].dtype == from) out[i] = as_dtype(context, out[i], to);
  }
}

void operate(Context& context, const Node& node, Array* in, Array* out) {
  const bcq_dtype dtype = node.count() > 0 ? in[0].dtype : BCQ_F32;
  const bool halves = widen_halves(context, node, in);
  const bool integers = widen_integers(context, node, in);
  node.operation->run(context, node, in, out);
  if (halves) narrow(context, node, BCQ_F32, BCQ_F16, out);
  if (integers) narrow(context, node, BCQ_I64, dtype, out);
}

void step(bcq_model* model, Function* function, Node* node) {
  model->running = function;
  model->running_node = node;
  model->context.charge(1);
  Array* const in = node->arguments.data();
  Array* const out = function->values.data() + node->first_output;
  take(function, node->inputs, in);
  switch (node->control) {
    case Control::kWhile:
      repeat(model, *node, in);
      for (int64_t i = 0; i < node->outputs; ++i) out[i] = std::move(in[i]);
      break;
    case Control::kIf:
      choose(model, *node, in, out);
      break;
    default:
      operate(model->context, *node, in, out);
  }
  for (Array& argument : node->arguments) argument.reset();
  for (const int64_t value : node->ends) function->values[static_cast<size_t>(value)].reset();
}

}  // namespace

void run(bcq_model* model, Function* function, Array* out) {
  for (const int64_t value : function->unused) function->values[static_cast<size_t>(value)].reset();
  for (Node& node : function->nodes) step(model, function, &node);
  take(function, function->outputs, out);
}

void forget_values(bcq_model* model) {
  for (const auto& function : model->functions) {
    for (Array& value : function->values) value.reset();
    for (Node& node : function->nodes) {
      for (Array& argument : node.arguments) argument.reset();
    }
  }
}

}  // namespace bcq::graph
