#include "litert/node.h"

#include <cstring>
#include <map>
#include <mutex>

namespace bcq::litert {

std::shared_ptr<bcq_pool> shared_pool(int threads) {
  static std::mutex mutex;
  static std::map<int, std::weak_ptr<bcq_pool>> pools;
  if (threads < 2) return nullptr;
  const std::lock_guard<std::mutex> lock(mutex);
  std::shared_ptr<bcq_pool> pool = pools[threads].lock();
  if (pool == nullptr) {
    pool.reset(bcq_pool_create(threads), bcq_pool_free);
    pools[threads] = pool;
  }
  return pool;
}

OpenNode::OpenNode(Context* context, const DelegateParams& parameters)
    : threads_(*static_cast<const int*>(parameters.delegate->data)), is_delegated_(true) {
  Node* node;
  Registration* ignored;
  const int index = parameters.nodes->data[0];
  if (context->get_node_and_registration(context, index, &node, &ignored) == kOk) {
    take_tensors(*node);
  }
}

void OpenNode::take_tensors(const Node& node) {
  const bool fits = node.inputs->size == 2 && node.outputs->size == 1;
  input_ = fits ? node.inputs->data[0] : -1;
  codes_ = fits ? node.inputs->data[1] : -1;
  output_ = fits ? node.outputs->data[0] : -1;
}

const char* OpenNode::prepare(Context* context, const Node& node) {
  // Tensors of the node that stands for a delegated one are in an order of their own.
  if (!is_delegated_) take_tensors(node);
  if (input_ < 0 || codes_ < 0 || output_ < 0) return "must have an input, codes and one output";
  pool_ = shared_pool(threads_ > 0 ? threads_ : context->recommended_threads);
  return file_ == nullptr ? open(context->tensors[codes_]) : nullptr;
}

const char* OpenNode::open(const Tensor& codes) {
  if (codes.type != kUint8 || codes.memory != kConstant || codes.data == nullptr) {
    return "its codes must be a constant of bytes";
  }
  const void* data = codes.data;
  if (reinterpret_cast<uintptr_t>(data) % sizeof(uint64_t) != 0) {
    copy_.resize((codes.bytes + sizeof(uint64_t) - 1) / sizeof(uint64_t));
    data = std::memcpy(copy_.data(), codes.data, codes.bytes);
  }
  bcq_file* file;
  if (bcq_open_memory(data, codes.bytes, &file, message_, sizeof message_) != BCQ_OK) {
    return message_;
  }
  file_.reset(file);
  if (bcq_count(file) == 1 && weight().kind == BCQ_BINARY) return nullptr;
  file_.reset();
  return "its codes must be one binary weight";
}

}  // namespace bcq::litert
