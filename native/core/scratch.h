/* Memory for the time of a call, which a thread keeps for its next one. */
#ifndef BCQ_CORE_SCRATCH_H_
#define BCQ_CORE_SCRATCH_H_

#include <cstdint>
#include <cstdlib>
#include <utility>

namespace bcq {

class Scratch {
 public:
  /* Aligned to 64 bytes; data() is NULL where there is no memory. */
  explicit Scratch(int64_t bytes) : memory_(std::exchange(kept(), Block())) {
    if (memory_.bytes >= bytes && memory_.data != nullptr) return;
    std::free(std::exchange(memory_.data, nullptr));
    memory_.bytes = (bytes + 63) / 64 * 64;
    memory_.data = std::aligned_alloc(64, static_cast<size_t>(memory_.bytes));
  }
  ~Scratch() {
    /* A call within this one, of the same thread, may have left its own. */
    if (memory_.bytes <= kMostKept) std::swap(memory_, kept());
    std::free(memory_.data);
    memory_.data = nullptr;
  }
  Scratch(const Scratch&) = delete;

  char* data() const { return static_cast<char*>(memory_.data); }

 private:
  struct Block {
    void* data = nullptr;
    int64_t bytes = 0;
  };
  struct Kept : Block {
    ~Kept() { std::free(data); }
  };

  static Block& kept() {
    static thread_local Kept block;
    return block;
  }

#if defined(__SANITIZE_ADDRESS__)
  static constexpr int64_t kMostKept = -1; /* it sees steps beyond what was asked for */
#else
  static constexpr int64_t kMostKept = 1 << 20;
#endif

  Block memory_;
};

}  // namespace bcq

#endif
