#include "litert/operators.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <vector>

#include "litert/bcq_litert.h"
#include "litert/node.h"

namespace bcq::litert {
namespace {

using Dims = std::vector<int>;

int64_t count(const Tensor& tensor) {
  int64_t result = 1;
  for (int i = 0; i < tensor.dims->size; ++i) result *= tensor.dims->data[i];
  return result;
}

/* An operator has a name, makes the output's shape out of the input's, which is empty where that is
 * none that it takes, and computes. */
template <bcq_precision kPrecision>
struct Product {
  static constexpr const char* kName = kPrecision == BCQ_EXACT ? "BcqProduct" : "BcqProductFast";
  static constexpr const char* kRule = "x must be float32 of as many columns as its codes";

  static Dims shape(Type type, Dims dims, const bcq_weight& weight) {
    if (type != kFloat32 || dims.empty() || dims.back() != weight.columns) return {};
    dims.back() = static_cast<int>(weight.rows);
    return dims;
  }

  static bcq_status run(const OpenNode& node, const Tensor& x, void* y) {
    const bcq_matrix& matrix = node.weight().binary;
    const int64_t batch = count(x) / matrix.columns;
    return bcq_product(&matrix, kPrecision, BCQ_FLOAT32, x.data, batch, y, node.parallel());
  }
};

struct Rows {
  static constexpr const char* kName = "BcqRows";
  static constexpr const char* kRule = "ids must be int32 or int64";

  static Dims shape(Type type, Dims dims, const bcq_weight& weight) {
    if (type != kInt32 && type != kInt64) return {};
    dims.push_back(static_cast<int>(weight.columns));
    return dims;
  }

  static bcq_status run(const OpenNode& node, const Tensor& ids, void* out) {
    std::vector<int64_t> widened;
    const auto* wide = static_cast<const int64_t*>(ids.data);
    if (ids.type == kInt32) {
      const auto* narrow = static_cast<const int32_t*>(ids.data);
      widened.assign(narrow, narrow + count(ids));
      wide = widened.data();
    }
    return bcq_rows(&node.weight(), wide, count(ids), static_cast<float*>(out), nullptr,
                    node.parallel());
  }
};

template <class Operator>
Status fail(Context* context, const char* text) {
  context->report_error(context, "%s: %s", Operator::kName, text);
  return kError;
}

void* init(Context*, const char*, size_t) { return new (std::nothrow) OpenNode(); }

void* init_delegated(Context* context, const char* options, size_t) {
  return new (std::nothrow) OpenNode(context, *reinterpret_cast<const DelegateParams*>(options));
}

void free_node(Context*, void* node) { delete static_cast<OpenNode*>(node); }

template <class Operator>
Status prepare(Context* context, Node* node) try {
  auto* open = static_cast<OpenNode*>(node->user_data);
  if (open == nullptr) return fail<Operator>(context, "no memory");
  const char* problem = open->prepare(context, *node);
  if (problem != nullptr) return fail<Operator>(context, problem);
  const Tensor& input = open->input(context);
  const Dims given(input.dims->data, input.dims->data + input.dims->size);
  const Dims dims = Operator::shape(input.type, given, open->weight());
  if (dims.empty()) return fail<Operator>(context, Operator::kRule);
  Tensor* output = open->output(context);
  if (output->type != kFloat32) return fail<Operator>(context, "its output must be float32");
  auto* owned = static_cast<int*>(std::malloc((dims.size() + 1) * sizeof(int)));  // by LiteRT
  if (owned == nullptr) return fail<Operator>(context, "no memory");
  owned[0] = static_cast<int>(dims.size());
  std::copy(dims.begin(), dims.end(), owned + 1);
  return context->resize_tensor(context, output, reinterpret_cast<IntArray*>(owned));
} catch (const std::exception&) {
  return fail<Operator>(context, "no memory");
}

template <class Operator>
Status invoke(Context* context, Node* node) try {
  const auto& open = *static_cast<const OpenNode*>(node->user_data);
  switch (Operator::run(open, open.input(context), open.output(context)->data)) {
    case BCQ_OK:
      return kOk;
    case BCQ_BAD_ID:
      return fail<Operator>(context, "an id is no row of its codes");
    default:
      return fail<Operator>(context, "no memory");
  }
} catch (const std::exception&) {
  return fail<Operator>(context, "no memory");
}

template <class Operator>
Registration registration() {
  Registration result = {};
  result.init = init;
  result.free = free_node;
  result.prepare = prepare<Operator>;
  result.invoke = invoke<Operator>;
  result.custom_name = Operator::kName;
  result.version = 1;
  return result;
}

}  // namespace

Registration* find_operator(const char* name) {
  static Registration all[] = {registration<Product<BCQ_EXACT>>(),
                               registration<Product<BCQ_FAST>>(), registration<Rows>()};
  for (Registration& each : all) {
    if (name != nullptr && std::strcmp(name, each.custom_name) == 0) return &each;
  }
  return nullptr;
}

Registration delegated(const Registration& of) {
  Registration result = of;
  result.init = init_delegated;
  result.builtin_code = kDelegated;
  return result;
}

}  // namespace bcq::litert

void* bcq_litert_operator(const char* name) { return bcq::litert::find_operator(name); }
