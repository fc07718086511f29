#include "runtime/graph/read_graph.h"

namespace bcq::graph {

namespace {

/* Marks inputs whose values nothing has used that comes later. */
void mark(std::vector<Input>* inputs, std::vector<bool>* used) {
  for (size_t i = inputs->size(); i-- > 0;) {
    Input& input = (*inputs)[i];
    if (input.value < 0) continue;
    const auto value = static_cast<size_t>(input.value);
    input.is_last = !(*used)[value];
    (*used)[value] = true;
  }
}

}  // namespace

void find_last_uses(Function* function, int64_t values) {
  std::vector<bool> used(static_cast<size_t>(values));
  mark(&function->outputs, &used);
  for (size_t i = function->nodes.size(); i-- > 0;) {
    Node& node = function->nodes[i];
    for (int64_t j = node.first_output; j < node.first_output + node.outputs; ++j) {
      if (!used[static_cast<size_t>(j)]) node.ends.push_back(j);
    }
    mark(&node.inputs, &used);
    node.arguments.resize(node.inputs.size());
  }
  for (size_t i = 0; i < function->inputs.size(); ++i) {
    if (!used[i]) function->unused.push_back(static_cast<int64_t>(i));
  }
  function->values.resize(static_cast<size_t>(values));
}

}  // namespace bcq::graph
