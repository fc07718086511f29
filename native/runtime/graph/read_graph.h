/* The graph in a file's metadata: read, with each rule of docs/runtime.md checked. */
#ifndef BCQ_RUNTIME_GRAPH_READ_GRAPH_H_
#define BCQ_RUNTIME_GRAPH_READ_GRAPH_H_

#include "runtime/file.h"
#include "runtime/graph/model.h"
#include "runtime/json.h"

namespace bcq::graph {

/* Throws Failure where the file has no graph, or one that breaks a rule. */
void read_graph(const bcq_file& file, bcq_model* model);

/* Throws Failure of BCQ_BAD_FILE: what is wrong with a function. */
template <class... Pieces>
[[noreturn, gnu::always_inline]] inline void refuse(const std::string& function,
                                                    const Pieces&... what) {
  runtime::refuse("its function ", runtime::quoted(function), " ", what...);
}

/* {"int32": [1, -1]}; throws Failure where it is none. */
Array read_constant(Context* context, const std::string& function, const runtime::JsonValue& value);

/* The attributes of an operation, in its order; throws Failure where they break its rules. */
std::vector<Attribute> read_attributes(const std::string& function, const Operation& operation,
                                       const runtime::JsonValue* given);

/* Whether it is an object with all of these keys, perhaps some of the others, and no more. */
bool has_keys(const runtime::JsonValue& value, std::initializer_list<const char*> keys,
              std::initializer_list<const char*> others = {});

/* The nodes after which values are not used any more; room for all values. */
void find_last_uses(Function* function, int64_t values);

/* Whether numbers of this type can be moved and cast. */
bool is_known(bcq_dtype dtype);

}  // namespace bcq::graph

#endif
