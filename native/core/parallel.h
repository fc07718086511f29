/* Who runs the parts of a task: threads that the process keeps (bcq_threads), a pool for oneself
 * (bcq_pool_create), or the caller's.
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

/* `threads` threads, the calling one included, that the process keeps for all who ask for as many;
 * a process that was forked off has its own. Fewer where the system has no more. One task runs on
 * them at a time: those that come meanwhile run on the threads that called them. */
BCQ_EXPORT bcq_parallel bcq_threads(int32_t threads);

/* Threads that wait for work, once made. */
typedef struct bcq_pool bcq_pool;

/* A pool of `threads`, from 1 to 1024, the calling one included; fewer where the system has no
 * more. NULL: no memory. */
BCQ_EXPORT bcq_pool* bcq_pool_create(int32_t threads);

/* Ends the threads. No task may be running. */
BCQ_EXPORT void bcq_pool_free(bcq_pool* pool);

/* The pool as a bcq_parallel, for as long as it lives; NULL: the calling thread alone. One task
 * runs on all threads at a time: those that come meanwhile run on the threads that called them, and
 * so do all in a process that was forked off. */
BCQ_EXPORT bcq_parallel bcq_pool_parallel(bcq_pool* pool);

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
