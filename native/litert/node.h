/* A node of a model that computes from codes: its tensors, its open codes, its threads. */
#ifndef BCQ_LITERT_NODE_H_
#define BCQ_LITERT_NODE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "litert/interface.h"
#include "runtime/bcq.h"

namespace bcq::litert {

/* Threads for all nodes that want as many. NULL: the calling one does all. */
std::shared_ptr<bcq_pool> shared_pool(int threads);

class OpenNode {
 public:
  /* Of its own, or one that a delegate takes, whose data is a `const int*`: how many threads work,
   * 0: as many as the interpreter has. */
  OpenNode() = default;
  OpenNode(Context* context, const DelegateParams& parameters);

  /* Finds the tensors and, the first time, opens the codes. NULL, or what is wrong. */
  const char* prepare(Context* context, const Node& node);

  const Tensor& input(const Context* context) const { return context->tensors[input_]; }
  Tensor* output(const Context* context) const { return &context->tensors[output_]; }
  const bcq_weight& weight() const { return *bcq_at(file_.get(), 0); }
  bcq_parallel parallel() const { return bcq_pool_parallel(pool_.get()); }

 private:
  struct CloseFile {
    void operator()(bcq_file* file) const { bcq_close(file); }
  };

  void take_tensors(const Node& node);
  const char* open(const Tensor& codes);

  int input_ = -1, codes_ = -1, output_ = -1; /* tensors; -1: not those of such a node */
  int threads_ = 0;
  bool is_delegated_ = false;
  std::vector<uint64_t> copy_; /* of codes that are not aligned */
  std::unique_ptr<bcq_file, CloseFile> file_;
  std::shared_ptr<bcq_pool> pool_;
  char message_[500];
};

}  // namespace bcq::litert

#endif
