/* Runs functions of a model. */
#ifndef BCQ_RUNTIME_GRAPH_RUN_H_
#define BCQ_RUNTIME_GRAPH_RUN_H_

#include "runtime/graph/model.h"

namespace bcq::graph {

/* The inputs, which have been checked, are in function->values; the outputs are moved to `out`.
 * Throws Failure; values may be left then. */
void run(bcq_model* model, Function* function, Array* out);

/* Forgets what a run that failed has left. */
void forget_values(bcq_model* model);

}  // namespace bcq::graph

#endif
