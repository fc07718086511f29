/* Memory for what is made of a file when it is opened, within a bound. */
#ifndef BCQ_RUNTIME_TABLES_H_
#define BCQ_RUNTIME_TABLES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

namespace bcq::runtime {

class Tables {
 public:
  static constexpr int64_t kAlignment = 64;

  /* most: the bytes that all may take. */
  explicit Tables(int64_t most) : left_(most) {}

  /* Zeros, aligned to cache lines; NULL: that would be more than the bound. */
  void* add(int64_t bytes);

 private:
  struct Delete {
    void operator()(void* memory) const { operator delete(memory, std::align_val_t(kAlignment)); }
  };

  int64_t left_;
  std::vector<std::unique_ptr<void, Delete>> all_;
};

}  // namespace bcq::runtime

#endif
