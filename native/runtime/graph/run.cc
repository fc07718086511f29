#include "runtime/graph/run.h"

#include "runtime/graph/half.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

namespace {

/* Whether the only number of an array is not 0. */
bool holds(const Array& condition) {
  check_numbers(condition);
  if (condition.count != 1) fail("a condition is " + shown(condition.shape));
  bool result = false;
  visit(NumbersAndBool(), condition.dtype,
        [&](auto zero) { result = *condition.numbers<decltype(zero)>() != zero; });
  return result;
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
    if (!holds(answer)) return;
    for (size_t i = 0; i < node.inputs.size(); ++i) body->values[i] = std::move(state[i]);
    run(model, body, state);
  }
}

void choose(bcq_model* model, const Node& node, Array* in, Array* out) {
  Function* const chosen = node.called[holds(in[0]) ? 0 : 1];
  for (size_t i = 1; i < node.inputs.size(); ++i) chosen->values[i - 1] = std::move(in[i]);
  run(model, chosen, out);
}

void operate(Context& context, const Node& node, Array* in, Array* out) {
  bool is_half = false;
  for (int64_t i = 0; i < node.count() && node.operation->half == Half::kWide; ++i) {
    if (in[i].kind != Kind::kNumbers || in[i].dtype != BCQ_F16) continue;
    in[i] = widened(context, in[i]);
    is_half = true;
  }
  node.operation->run(context, node, in, out);
  for (int64_t i = 0; i < node.outputs && is_half; ++i) {
    if (out[i].dtype == BCQ_F32) out[i] = narrowed(context, out[i]);
  }
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
