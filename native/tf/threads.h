/* A bcq_parallel of the threads that TensorFlow lends to an op. */
#ifndef BCQ_TF_THREADS_H_
#define BCQ_TF_THREADS_H_

#include "core/parallel.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/platform/threadpool.h"

namespace bcq {

inline void run_on_pool(void* pool, int64_t items, int64_t nanoseconds, bcq_task task,
                        void* argument) {
  using tensorflow::thread::ThreadPool;
  constexpr int64_t kCyclesPerNanosecond = 3;
  static_cast<ThreadPool*>(pool)->ParallelFor(
      items, ThreadPool::SchedulingParams::Adaptive(nanoseconds * kCyclesPerNanosecond),
      [=](int64_t begin, int64_t end) { task(argument, begin, end); });
}

inline bcq_parallel threads_of(tensorflow::OpKernelContext* c) {
  const auto* threads = c->device()->tensorflow_cpu_worker_threads();
  return {run_on_pool, threads->workers, threads->num_threads};
}

}  // namespace bcq

#endif
