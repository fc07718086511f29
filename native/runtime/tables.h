/* Memory for what is made of a file when it is opened, within a bound. */
#ifndef BCQ_RUNTIME_TABLES_H_
#define BCQ_RUNTIME_TABLES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

namespace bcq::runtime {

/* Tables stand side by side in ever larger chunks. Those of some megabytes are in large pages,
 * where the system has them: a product reads its codes once from end to end, for which the
 * processor would have to find a small page every few nanoseconds. */
class Tables {
 public:
  /* most: the bytes that all may take. */
  explicit Tables(int64_t most) : left_(most) {}

  /* Zeros, aligned to cache lines; NULL: that would be more than the bound. */
  void* add(int64_t bytes);

 private:
  static constexpr int64_t kLine = 64, kLargePage = 2 << 20;
  static constexpr int64_t kLeastChunk = 4 << 10, kMostChunk = 32 << 20;

  struct Delete {
    int64_t alignment;
    void operator()(void* memory) const { operator delete(memory, std::align_val_t(alignment)); }
  };

  void add_chunk(int64_t least);

  int64_t left_, taken_ = 0;
  std::vector<std::unique_ptr<void, Delete>> chunks_;
  char* free_ = nullptr; /* of the last chunk, so many bytes: */
  int64_t room_ = 0;
};

}  // namespace bcq::runtime

#endif
