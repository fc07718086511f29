/* A bcq_parallel of the threads that XLA lends to a call. */
#ifndef BCQ_TF_XLA_THREADS_H_
#define BCQ_TF_XLA_THREADS_H_

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

#include "core/parallel.h"
#include "xla/ffi/api/ffi.h"

namespace bcq {

/* The parts of one task. Whoever comes takes the next one; who comes when all are taken has nothing
 * to do. So the caller never waits for a thread that has not begun. */
class Parts {
 public:
  Parts(int64_t items, int64_t size, bcq_task task, void* argument)
      : items_(items), size_(size), task_(task), argument_(argument) {}

  void work() {
    for (int64_t begin; (begin = next_.fetch_add(size_)) < items_;) {
      const int64_t end = std::min(items_, begin + size_);
      task_(argument_, begin, end);
      const std::lock_guard<std::mutex> lock(mutex_);
      done_ += end - begin;
      if (done_ == items_) all_done_.notify_one();
    }
  }

  void wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    all_done_.wait(lock, [this] { return done_ == items_; });
  }

 private:
  const int64_t items_, size_;
  const bcq_task task_;
  void* const argument_;
  std::atomic<int64_t> next_{0};
  int64_t done_ = 0;
  std::mutex mutex_;
  std::condition_variable all_done_;
};

inline void run_on_xla(void* context, int64_t items, int64_t nanoseconds, bcq_task task,
                       void* argument) {
  constexpr double kWorthAThread = 50000; /* nanoseconds */
  auto* pool = static_cast<xla::ffi::ThreadPool*>(context);
  const double all = static_cast<double>(items) * static_cast<double>(nanoseconds);
  const int64_t most = std::min(items, pool->num_threads());
  const double worth = 1 + all / kWorthAThread;
  const int64_t threads = worth < most ? static_cast<int64_t>(worth) : most;
  if (threads <= 1) return task(argument, 0, items);
  const int64_t size = (items - 1) / (4 * threads) + 1;
  const auto parts = std::make_shared<Parts>(items, size, task, argument);
  for (int64_t i = 1; i < threads; ++i) pool->Schedule([parts] { parts->work(); });
  parts->work();
  parts->wait();
}

/* Where XLA lends no threads, num_threads() is 0 and the caller does all. */
inline bcq_parallel threads_of(xla::ffi::ThreadPool* pool) {
  return {run_on_xla, pool, static_cast<int32_t>(std::max<int64_t>(pool->num_threads(), 1))};
}

}  // namespace bcq

#endif
