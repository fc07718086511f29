/* Who runs the parts of a task: the caller. TensorFlow's ops hand in its own thread pool; where
 * there is none, bcq_threads() makes one of plain threads.
 */
#ifndef BCQ_CORE_PARALLEL_H_
#define BCQ_CORE_PARALLEL_H_

#include <stdint.h>

#include "core/export.h"

/* One part of the work: the items begin to end - 1. */
typedef void (*bcq_task)(void* argument, int64_t begin, int64_t end);

typedef struct {
  /* Calls task on ranges that cover 0 to items - 1 once each, from any threads, and returns when
   * all are done. nanoseconds: what one item costs, roughly. NULL: the calling thread does all. */
  void (*run)(void* context, int64_t items, int64_t nanoseconds, bcq_task task, void* argument);
  void* context;
  int32_t threads; /* how many may work at once, 1 or more */
} bcq_parallel;

/* A bcq_parallel of this many plain threads, from 1 to 1024, without state to be freed. */
BCQ_EXPORT bcq_parallel bcq_threads(int32_t threads);

#ifdef __cplusplus

namespace bcq {

/* Calls part(begin, end) on ranges of the items. nanoseconds: what one item costs, roughly. */
template <class Part>
void run(const bcq_parallel& parallel, int64_t items, double nanoseconds, const Part& part) {
  constexpr double kMost = 1e9; /* a whole number of what costs more is no int64_t, for sure */
  if (items == 0) return;
  if (parallel.run == nullptr || items == 1) return part(int64_t{0}, items);
  const auto task = [](void* argument, int64_t begin, int64_t end) {
    (*static_cast<const Part*>(argument))(begin, end);
  };
  const double cost = nanoseconds < kMost ? nanoseconds : kMost;
  parallel.run(parallel.context, items, static_cast<int64_t>(cost) + 1, task,
               const_cast<Part*>(&part));
}

}  // namespace bcq
#endif

#endif
