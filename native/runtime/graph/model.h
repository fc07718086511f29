/* The functions of a file, ready to run. */
#ifndef BCQ_RUNTIME_GRAPH_MODEL_H_
#define BCQ_RUNTIME_GRAPH_MODEL_H_

#include <memory>
#include <string>
#include <vector>

#include "runtime/bcq_graph.h"
#include "runtime/graph/operation.h"

namespace bcq::graph {

/* What an input must be. */
struct InputRule {
  std::string name;
  bcq_input facts; /* whose name is that */
};

/* Nodes in the order in which they run. While it runs its values stand in itself: none calls
 * itself, so that each runs once at a time. */
struct Function {
  std::string name;
  std::vector<InputRule> inputs;
  std::vector<Node> nodes;
  std::vector<Input> outputs;
  std::string structure;       /* JSON; empty where only nodes call it */
  int depth = 1;               /* of the functions that it calls, itself included */
  std::vector<int64_t> unused; /* inputs that no node uses */
  std::vector<Array> values;

  bool is_shown() const { return !structure.empty(); }
};

}  // namespace bcq::graph

struct bcq_model {
  bcq::graph::Context context; /* first, as all arrays stand in its pool */
  std::vector<std::unique_ptr<bcq::graph::Function>> functions;
  std::vector<bcq::graph::Function*> shown;
  std::vector<bcq::graph::Array> results, earlier_results;
  const bcq::graph::Function* running = nullptr;
  const bcq::graph::Node* running_node = nullptr;

  /* NULL: no function that may be called from outside has this name. */
  bcq::graph::Function* find(const char* name) const;
};

#endif
