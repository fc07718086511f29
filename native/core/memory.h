/* Memory of malloc that frees itself. */
#ifndef BCQ_CORE_MEMORY_H_
#define BCQ_CORE_MEMORY_H_

#include <cstdlib>
#include <memory>

namespace bcq {

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

template <class T = void>
using Memory = std::unique_ptr<T, Free>;

}  // namespace bcq

#endif
