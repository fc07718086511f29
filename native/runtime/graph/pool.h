/* Memory of values: blocks that are used again, so that a run like the one before takes none of the
 * system, within a bound. */
#ifndef BCQ_RUNTIME_GRAPH_POOL_H_
#define BCQ_RUNTIME_GRAPH_POOL_H_

#include <cstdint>

namespace bcq::graph {

class Pool;

/* What stands before the memory of a block, which is aligned to cache lines too. */
struct alignas(64) Block {
  Pool* pool;
  Block* next;   /* among those that are free */
  int64_t users; /* values whose numbers stand in it */
  int64_t items; /* arrays that stand in it: those of a list */
  int32_t size_class;

  char* data() { return reinterpret_cast<char*>(this + 1); }
};

class Pool {
 public:
  Pool() = default;
  Pool(const Pool&) = delete;
  ~Pool() { trim(); }

  void set_limit(int64_t bytes) { limit_ = bytes; }

  /* A block with one user. Throws Failure where all would take more than the limit, or
   * std::bad_alloc. */
  Block* take(int64_t bytes);

  /* Takes back a block that nobody uses. */
  void give_back(Block* block);

 private:
  static constexpr int kSteps = 4; /* classes of sizes from a power of 2 to the next */
  static constexpr int kClasses = 64 * kSteps;

  /* The class of a size, which becomes that of its blocks. */
  static int size_class(int64_t* bytes);
  static int64_t bytes_of(int size_class);
  void trim(); /* gives the system what is free */

  Block* free_[kClasses] = {};
  int64_t limit_ = int64_t{4} << 30;
  int64_t used_ = 0, held_ = 0; /* bytes: of blocks in use, and with those that are free */
};

}  // namespace bcq::graph

#endif
