/* The C interface: no exception leaves it. */
#include <algorithm>
#include <cstring>

#include "runtime/graph/model.h"
#include "runtime/graph/read_graph.h"
#include "runtime/graph/run.h"
#include "runtime/guarded.h"

using bcq::graph::Array;
using bcq::graph::Function;
using bcq::graph::InputRule;
using bcq::graph::Shape;
using bcq::runtime::guarded;
using bcq::runtime::joined;
using bcq::runtime::quoted;

namespace {

Shape shape_of(const bcq_array& array) {
  if (array.rank < 0 || array.rank > bcq::graph::kMostAxes || array.shape == nullptr) {
    if (array.rank != 0) bcq::graph::fail("an array must have 0 to 8 axes");
  }
  Shape shape;
  for (int i = 0; i < array.rank; ++i) shape.add(array.shape[i]);
  return shape;
}

bool are_flags(const Array& array) {
  const auto* const bytes = array.numbers<uint8_t>();
  uint8_t all = 0;
  for (int64_t i = 0; i < array.count; ++i) all |= bytes[i];
  return all < 2;
}

/* The array that a caller gives; throws Failure where it is not what it says. */
Array given(const bcq_array& array) {
  int dtype; /* callers may give any number */
  std::memcpy(&dtype, &array.dtype, sizeof(dtype));
  const bool is_dtype = dtype >= BCQ_F64 && dtype <= BCQ_BOOL;
  if (!is_dtype || !bcq::graph::is_known(array.dtype)) bcq::graph::fail("its dtype is unknown");
  const Array result = Array::outside(array.dtype, shape_of(array), array.data);
  if (array.bytes != result.bytes()) {
    bcq::graph::fail("it must have ", result.bytes(), " bytes. Received: ", array.bytes);
  }
  const auto address = reinterpret_cast<uintptr_t>(array.data);
  if (result.count > 0 && (address == 0 || address % static_cast<uintptr_t>(result.item_bytes()))) {
    bcq::graph::fail("its data must be there, aligned to its numbers");
  }
  if (array.dtype == BCQ_BOOL && !are_flags(result)) bcq::graph::fail("booleans must be 0 and 1");
  return result;
}

/* "[null, 3]", as functions say it. */
std::string shown(const bcq_input& facts) {
  std::string text;
  for (int i = 0; i < facts.rank; ++i) {
    const int64_t length = facts.shape[i];
    text += (i ? ", " : "") + (length == BCQ_ANY ? "null" : std::to_string(length));
  }
  return "[" + text + "]";
}

void check(const Array& array, const bcq_input& facts) {
  if (facts.dtype != BCQ_ANY && facts.dtype != array.dtype) {
    bcq::graph::fail("it must be ", bcq::graph::name_of(static_cast<bcq_dtype>(facts.dtype)),
                     ". Received: ", bcq::graph::name_of(array.dtype));
  }
  if (facts.rank == BCQ_ANY) return;
  bool fits = facts.rank == array.rank();
  for (int i = 0; fits && i < facts.rank; ++i) {
    fits = facts.shape[i] == BCQ_ANY || facts.shape[i] == array.shape[i];
  }
  if (!fits) bcq::graph::fail("it must be ", shown(facts), ". Received: ", array.shape);
}

void take_inputs(Function* function, const bcq_array* inputs, int64_t count, int64_t* at) {
  const auto wanted = static_cast<int64_t>(function->inputs.size());
  if (count != wanted || (count > 0 && inputs == nullptr)) {
    bcq::graph::fail("`inputs` must be ", wanted, " arrays. Received: ", count);
  }
  for (*at = 0; *at < count; ++*at) {
    const auto i = static_cast<size_t>(*at);
    Array array = given(inputs[i]);
    check(array, function->inputs[i].facts);
    function->values[i] = std::move(array);
  }
  *at = -1;
}

/* Results in memory of the model alone. */
void settle(bcq_model* model, size_t count, bcq_array* outputs) {
  for (size_t i = 0; i < count; ++i) {
    Array& result = model->results[i];
    if (result.kind != bcq::graph::Kind::kNumbers) bcq::graph::fail("an output is no array");
    if (result.block == nullptr) result = model->context.own(&result);
    outputs[i] = {result.dtype, result.rank(), result.shape.lengths, result.data, result.bytes()};
  }
}

/* What is being run, for messages. */
std::string place_of(const bcq_model& model, const Function& function, int64_t input) {
  if (input >= 0) {
    return joined({"input ", quoted(function.inputs[static_cast<size_t>(input)].name), ": "});
  }
  if (model.running == nullptr) return joined({"function ", quoted(function.name), ": "});
  const auto node = model.running_node - model.running->nodes.data();
  return joined({"function ", quoted(model.running->name), ", node ", node, " (",
                 model.running_node->name, "): "});
}

}  // namespace

Function* bcq_model::find(const char* name) const {
  for (Function* const function : shown) {
    if (name != nullptr && function->name == name) return function;
  }
  return nullptr;
}

bcq_status bcq_load(const bcq_file* file, bcq_model** model, char* message, size_t message_size) {
  if (model != nullptr) *model = nullptr;
  if (file == nullptr || model == nullptr) return BCQ_BAD_ARGUMENT;
  const auto where = [](bcq_status) { return std::string("The file cannot be run: "); };
  return guarded(message, message_size, where, [&] {
    auto made = std::make_unique<bcq_model>();
    bcq::graph::read_graph(*file, made.get());
    size_t most = 0;
    for (Function* const function : made->shown) {
      most = std::max(most, function->outputs.size());
      for (InputRule& input : function->inputs) input.facts.name = input.name.c_str();
    }
    made->results.resize(most);
    made->earlier_results.resize(most);
    *model = made.release();
  });
}

void bcq_unload(bcq_model* model) { delete model; }

int64_t bcq_function_count(const bcq_model* model) {
  return model == nullptr ? 0 : static_cast<int64_t>(model->shown.size());
}

const char* bcq_function_name(const bcq_model* model, int64_t index) {
  if (index < 0 || index >= bcq_function_count(model)) return nullptr;
  return model->shown[static_cast<size_t>(index)]->name.c_str();
}

int64_t bcq_input_count(const bcq_model* model, const char* function) {
  const Function* const found = model == nullptr ? nullptr : model->find(function);
  return found == nullptr ? -1 : static_cast<int64_t>(found->inputs.size());
}

int64_t bcq_output_count(const bcq_model* model, const char* function) {
  const Function* const found = model == nullptr ? nullptr : model->find(function);
  return found == nullptr ? -1 : static_cast<int64_t>(found->outputs.size());
}

const bcq_input* bcq_input_at(const bcq_model* model, const char* function, int64_t index) {
  if (index < 0 || index >= bcq_input_count(model, function)) return nullptr;
  return &model->find(function)->inputs[static_cast<size_t>(index)].facts;
}

const char* bcq_function_structure(const bcq_model* model, const char* function) {
  const Function* const found = model == nullptr ? nullptr : model->find(function);
  return found == nullptr ? nullptr : found->structure.c_str();
}

void bcq_set_limits(bcq_model* model, int64_t bytes, int64_t operations) {
  if (model == nullptr) return;
  model->context.pool.set_limit(bytes > 0 ? bytes : INT64_MAX);
  model->context.operations_limit = operations > 0 ? operations : INT64_MAX;
}

bcq_status bcq_run(bcq_model* model, const char* name, const bcq_array* inputs, int64_t input_count,
                   bcq_array* outputs, int64_t output_count, bcq_parallel parallel, char* message,
                   size_t message_size) {
  if (model == nullptr || name == nullptr) return BCQ_BAD_ARGUMENT;
  Function* const function = model->find(name);
  int64_t input = -1;
  const auto where = [&](bcq_status) {
    return function == nullptr ? std::string() : place_of(*model, *function, input);
  };
  model->running = nullptr;
  model->context.parallel = parallel;
  model->context.operations_left = model->context.operations_limit;
  model->results.swap(model->earlier_results);
  const bcq_status status = guarded(message, message_size, where, [&] {
    if (function == nullptr) bcq::graph::fail("there is no function ", quoted(name));
    const size_t wanted = function->outputs.size();
    if (output_count != static_cast<int64_t>(wanted) || (wanted > 0 && outputs == nullptr)) {
      bcq::graph::fail("`outputs` must have room for ", wanted,
                       " arrays. Received: ", output_count);
    }
    take_inputs(function, inputs, input_count, &input);
    bcq::graph::run(model, function, model->results.data());
    settle(model, wanted, outputs);
  });
  if (status == BCQ_OK) {
    for (Array& result : model->earlier_results) result.reset();
    return status;
  }
  bcq::graph::forget_values(model);
  for (Array& result : model->results) result.reset();
  model->results.swap(model->earlier_results);
  return status;
}

bcq_status bcq_prepare(bcq_model* model, const char* function, const bcq_array* inputs,
                       int64_t input_count, bcq_parallel parallel, char* message,
                       size_t message_size) {
  std::vector<bcq_array> outputs;
  const int64_t count = std::max<int64_t>(bcq_output_count(model, function), 0);
  const auto none = [](bcq_status) { return std::string(); };
  bcq_status status =
      guarded(message, message_size, none, [&] { outputs.resize(static_cast<size_t>(count)); });
  /* Results of one run stand until the next has ended, so a run's memory is there after two. */
  for (int turn = 0; turn < 2 && status == BCQ_OK; ++turn) {
    status = bcq_run(model, function, inputs, input_count, outputs.data(), count, parallel, message,
                     message_size);
  }
  return status;
}
