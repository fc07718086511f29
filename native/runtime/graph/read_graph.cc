#include "runtime/graph/read_graph.h"

#include <algorithm>
#include <unordered_map>

#include "runtime/failure.h"
#include "runtime/json_string.h"

namespace bcq::graph {

using runtime::JsonValue;
using runtime::quoted;
using runtime::shown;

namespace {

constexpr int64_t kMostValues = 1 << 17; /* of all functions together */
constexpr int kMostDepth = 64;           /* of functions that call one another */

struct Called {
  const char *first, *second;
};
constexpr Called kWhileKeys = {"condition", "body"}, kIfKeys = {"then", "otherwise"};

/* Whether it is text of Unicode that C can hold. */
bool is_text(const std::string& text) {
  for (std::string_view rest = text; !rest.empty();) {
    const size_t length = rest.front() == '\0' ? 0 : runtime::utf8_length(rest);
    if (length == 0) return false;
    rest.remove_prefix(length);
  }
  return true;
}

bool is_one_of(const std::string& key, std::initializer_list<const char*> keys) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

class Reader {
 public:
  Reader(const bcq_file& file, bcq_model* model) : file_(file), model_(model) {}

  void functions(const JsonValue& all) {
    all.members([&](const JsonValue& key, const JsonValue& value) {
      model_->functions.push_back(std::make_unique<Function>());
      function_ = model_->functions.back().get();
      function_->name = key.string();
      if (!is_text(function_->name)) refuse("", "has a name that is not text of Unicode");
      read_function(value);
      known_[function_->name] = function_;
      if (function_->is_shown()) model_->shown.push_back(function_);
    });
  }

 private:
  template <class... Pieces>
  [[gnu::always_inline]] void need(bool holds, const Pieces&... what) const {
    if (!holds) refuse(function_->name, what...);
  }

  void read_function(const JsonValue& value) {
    need(value.is_object(), "is no object");
    need(has_keys(value, {"inputs", "nodes", "outputs", "structure"}),
         "does not have ['inputs', 'nodes', 'outputs', 'structure']");
    const JsonValue inputs = *value.member("inputs"), nodes = *value.member("nodes");
    const JsonValue outputs = *value.member("outputs"), structure = *value.member("structure");
    need(inputs.is_array() && nodes.is_array() && outputs.is_array(), "has no lists");
    values_ = 0;
    inputs.items([&](const JsonValue& each) { read_input(each); });
    nodes.items([&](const JsonValue& each) { read_node(each); });
    outputs.items([&](const JsonValue& each) {
      function_->outputs.emplace_back();
      read_reference(each, &function_->outputs.back());
    });
    check_structure(structure);
    if (!structure.is_null()) function_->structure = std::string(structure.text());
    find_last_uses(function_, values_);
  }

  void add_values(int64_t count) {
    need(count <= kMostValues - all_values_, "has too many values");
    values_ += count;
    all_values_ += count;
  }

  void read_input(const JsonValue& value) {
    const auto must = [&](bool holds) { need(holds, "has the wrong input ", shown(value.text())); };
    must(has_keys(value, {"name", "dtype", "shape"}));
    const JsonValue name = *value.member("name"), dtype = *value.member("dtype");
    must(name.is_string() && dtype.is_string() && is_text(name.string()));
    InputRule input = {name.string(), {nullptr, BCQ_ANY, BCQ_ANY, {}}};
    bcq_dtype known;
    if (!dtype.string().empty()) {
      must(find_dtype(dtype.string(), &known) && is_known(known));
      input.facts.dtype = known;
    }
    must(read_lengths(*value.member("shape"), &input.facts));
    function_->inputs.push_back(std::move(input));
    add_values(1);
  }

  /* False: they are none. */
  static bool read_lengths(const JsonValue& shape, bcq_input* facts) {
    if (shape.is_null()) return true;
    if (!shape.is_array() || shape.size() > kMostAxes) return false;
    facts->rank = 0;
    bool fits = true;
    shape.items([&](const JsonValue& each) {
      const int64_t length = each.integer().value_or(-1);
      fits = fits && (each.is_null() || length >= 0);
      facts->shape[facts->rank++] = each.is_null() ? int64_t{BCQ_ANY} : length;
    });
    return fits;
  }

  void read_node(const JsonValue& value) {
    const auto must = [&](bool holds) { need(holds, "has the node ", shown(value.text())); };
    must(has_keys(value, {"op", "in"}, {"with", "out"}));
    const JsonValue op = *value.member("op"), in = *value.member("in");
    const std::optional<JsonValue> with = value.member("with"), out = value.member("out");
    must(op.is_string() && in.is_array() && (!with || with->is_object()));
    const int64_t outputs = out ? out->integer().value_or(-1) : 1;
    must(outputs >= 0);
    function_->nodes.emplace_back();
    Node& node = function_->nodes.back();
    node.outputs = outputs;
    const std::string name = op.string();
    if (name == "while" || name == "if") {
      read_control(name == "while", with, in, &node);
    } else {
      read_operation(name, with, in, &node);
    }
    node.first_output = values_;
    add_values(outputs);
  }

  void read_operation(const std::string& name, const std::optional<JsonValue>& with,
                      const JsonValue& in, Node* node) {
    const Operation* const operation = find_operation(name);
    need(operation != nullptr, "has the unknown operation ", quoted(name));
    const auto count = static_cast<int64_t>(in.size());
    need(count >= operation->least && (operation->most == kAny || count <= operation->most),
         "gives ", count, " inputs to ", quoted(name));
    need(operation->outputs == kAny || operation->outputs == node->outputs, "has ", node->outputs,
         " outputs of ", quoted(name));
    node->operation = operation;
    node->name = operation->name;
    node->attributes = read_attributes(function_->name, *operation, with ? &*with : nullptr);
    int i = 0;
    in.items([&](const JsonValue& each) {
      if (i++ == operation->weight) {
        node->weight = read_weight(each, operation->name);
      } else {
        node->inputs.emplace_back();
        read_reference(each, &node->inputs.back());
      }
    });
  }

  const bcq_weight* read_weight(const JsonValue& value, const char* operation) const {
    const bcq_weight* const weight = value.is_string() ? file_.find(value.string()) : nullptr;
    need(weight != nullptr && weight->kind != BCQ_ARRAY, "gives ", quoted(operation),
         " no codes but ", shown(value.text()));
    return weight;
  }

  void read_control(bool loops, const std::optional<JsonValue>& with, const JsonValue& in,
                    Node* node) {
    const Called keys = loops ? kWhileKeys : kIfKeys;
    node->name = loops ? "while" : "if";
    node->control = loops ? Control::kWhile : Control::kIf;
    need(with && has_keys(*with, {keys.first, keys.second}), "has a wrong ", quoted(node->name));
    in.items([&](const JsonValue& each) {
      node->inputs.emplace_back();
      read_reference(each, &node->inputs.back());
    });
    for (int i = 0; i < 2; ++i) {
      const JsonValue name = *with->member(i == 0 ? keys.first : keys.second);
      need(name.is_string(), "has a wrong ", quoted(node->name));
      node->called[i] = read_call(name.string(), *node, loops && i == 0);
    }
  }

  /* A function that stands before and takes and gives what the node does. */
  Function* read_call(const std::string& name, const Node& node, bool is_condition) {
    const auto found = known_.find(name);
    need(found != known_.end(), "calls ", quoted(name));
    Function* const called = found->second;
    const int64_t given = node.count() - (node.control == Control::kIf ? 1 : 0);
    const bool fits =
        static_cast<int64_t>(called->inputs.size()) == given &&
        static_cast<int64_t>(called->outputs.size()) == (is_condition ? 1 : node.outputs) &&
        (node.control == Control::kIf || node.outputs == given);
    need(fits, "calls ", quoted(name), " with other values");
    function_->depth = std::max(function_->depth, called->depth + 1);
    need(function_->depth <= kMostDepth, "calls others that call others, too deeply");
    return called;
  }

  void read_reference(const JsonValue& value, Input* input) {
    if (value.is_string()) {
      input->constant = read_array(value.string());
    } else if (value.is_object()) {
      input->constant = read_constant(&model_->context, function_->name, value);
    } else {
      const int64_t number = value.integer().value_or(-1);
      need(number >= 0 && number < values_, "uses the value ", shown(value.text()),
           " where there are ", values_);
      input->value = number;
    }
  }

  Array read_array(const std::string& name) const {
    const bcq_weight* const weight = file_.find(name);
    need(weight != nullptr, "names ", quoted(name), ", which the file does not have");
    need(weight->kind == BCQ_ARRAY, "computes with the codes ", quoted(name), " as if numbers");
    const bcq_array& array = weight->array;
    need(is_known(array.dtype) && array.rank <= kMostAxes, "names ", quoted(name),
         ", which is not computed with here: ", name_of(array.dtype), " of ", array.rank, " axes");
    Shape shape;
    for (int i = 0; i < array.rank; ++i) shape.add(array.shape[i]);
    return Array::outside(array.dtype, shape, array.data);
  }

  void check_structure(const JsonValue& value) const {
    if (value.is_array()) {
      value.items([&](const JsonValue& each) { check_structure(each); });
    } else if (value.is_object()) {
      value.members([&](const JsonValue&, const JsonValue& each) { check_structure(each); });
    } else if (!value.is_null()) {
      const int64_t number = value.integer().value_or(-1);
      const auto outputs = static_cast<int64_t>(function_->outputs.size());
      need(number >= 0 && number < outputs, "has the structure ", shown(value.text()), " of ",
           outputs, " outputs");
    }
  }

  const bcq_file& file_;
  bcq_model* model_;
  std::unordered_map<std::string, Function*> known_;
  Function* function_ = nullptr; /* that is being read */
  int64_t values_ = 0, all_values_ = 0;
};

}  // namespace

bool is_known(bcq_dtype dtype) {
  return dtype != BCQ_BF16 && dtype != BCQ_F8_E4M3 && dtype != BCQ_F8_E5M2;
}

bool has_keys(const JsonValue& value, std::initializer_list<const char*> keys,
              std::initializer_list<const char*> others) {
  if (!value.is_object()) return false;
  size_t found = 0;
  bool known = true;
  value.members([&](const JsonValue& key, const JsonValue&) {
    const std::string name = key.string();
    if (is_one_of(name, keys)) {
      ++found;
    } else {
      known = known && is_one_of(name, others);
    }
  });
  return known && found == keys.size();
}

void read_graph(const bcq_file& file, bcq_model* model) {
  const std::optional<JsonValue> graph = JsonValue(file.metadata()).member("graph");
  if (!graph) runtime::refuse("it has no graph: `bcq_tf.export_runtime` writes files that have");
  if (!has_keys(*graph, {"version", "functions"})) {
    runtime::refuse("its graph does not have a version and functions");
  }
  const JsonValue version = *graph->member("version"), functions = *graph->member("functions");
  if (version.integer() != 1) {
    runtime::refuse("its graph is of version ", shown(version.text()), " and this library reads 1");
  }
  if (!functions.is_object()) runtime::refuse("its graph's functions are no object");
  Reader(file, model).functions(functions);
}

}  // namespace bcq::graph
