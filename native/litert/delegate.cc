/* The operators as a delegate: it takes the nodes that have their names, each by itself. */
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "litert/bcq_litert.h"
#include "litert/operators.h"

namespace bcq::litert {
namespace {

constexpr int kMostThreads = 1024;

struct CodesDelegate : Delegate {
  int threads = 0;
};

Status prepare(Context* context, Delegate* delegate) {
  IntArray* plan;
  if (context->get_execution_plan(context, &plan) != kOk) return kError;
  const std::vector<int> nodes(plan->data, plan->data + plan->size);  // it changes below
  for (const int index : nodes) {
    Node* node;
    Registration* registration;
    if (context->get_node_and_registration(context, index, &node, &registration) != kOk) {
      return kError;
    }
    const Registration* ours = find_operator(registration->custom_name);
    if (ours == nullptr) continue;
    const IntArray one = {1, {index}};
    if (context->replace_nodes(context, delegated(*ours), &one, delegate) != kOk) return kError;
  }
  return kOk;
}

Status prepare_safely(Context* context, Delegate* delegate) {
  try {
    return prepare(context, delegate);
  } catch (const std::bad_alloc&) {
    return kError;
  }
}

/* 0: it is no such number. */
int threads_of(const char* text) {
  char* end;
  const long number = std::strtol(text, &end, 10);
  return end == text || *end != '\0' || number < 1 || number > kMostThreads
             ? 0
             : static_cast<int>(number);
}

}  // namespace
}  // namespace bcq::litert

void* tflite_plugin_create_delegate(char** keys, char** values, size_t options,
                                    void (*report)(const char*)) {
  using namespace bcq::litert;
  std::unique_ptr<CodesDelegate> delegate(new (std::nothrow) CodesDelegate());
  if (delegate == nullptr) return nullptr;
  for (size_t i = 0; i < options; ++i) {
    delegate->threads = std::strcmp(keys[i], "threads") == 0 ? threads_of(values[i]) : 0;
    if (delegate->threads == 0) {
      if (report != nullptr) report("the one option is `threads`, from 1 to 1024");
      return nullptr;
    }
  }
  delegate->data = &delegate->threads;
  delegate->prepare = prepare_safely;
  delegate->flags = kAllowsDynamicShapes;
  return static_cast<Delegate*>(delegate.release());
}

void tflite_plugin_destroy_delegate(void* delegate) {
  delete static_cast<bcq::litert::CodesDelegate*>(static_cast<bcq::litert::Delegate*>(delegate));
}
