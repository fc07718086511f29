#include "core/parallel.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

namespace {

constexpr int64_t kLeastNanoseconds = 50000;  // of a thread's share, that starting it pays
constexpr int64_t kPartsPerThread = 8;        // so that all end at about the same time
constexpr int32_t kMostThreads = 1024;        // of one task, whatever is asked for

struct Work {
  std::atomic<int64_t> next{0};
  int64_t items, step;
  bcq_task task;
  void* argument;

  void run() {
    for (;;) {
      const int64_t begin = next.fetch_add(step);
      if (begin >= items) return;
      task(argument, begin, begin + std::min(step, items - begin));
    }
  }
};

void run_threads(void* context, int64_t items, int64_t nanoseconds, bcq_task task, void* argument) {
  if (items <= 0) return;
  const double total = static_cast<double>(items) * static_cast<double>(nanoseconds);
  const double worthwhile = std::max(1.0, total / kLeastNanoseconds);
  const int64_t most = std::min<int64_t>(reinterpret_cast<intptr_t>(context), items);
  const int64_t threads = worthwhile < most ? static_cast<int64_t>(worthwhile) : most;
  if (threads <= 1) return task(argument, 0, items);

  Work work;
  work.items = items;
  work.step = std::max<int64_t>(1, items / (threads * kPartsPerThread));
  work.task = task;
  work.argument = argument;
  std::vector<std::thread> others;
  try {
    others.reserve(threads - 1);
    while (static_cast<int64_t>(others.size()) < threads - 1) {
      others.emplace_back([&work] { work.run(); });
    }
  } catch (const std::exception&) {
    // The system has no more threads or no memory: those that there are do the work.
  }
  work.run();
  for (std::thread& other : others) other.join();
}

}  // namespace

bcq_parallel bcq_threads(int32_t threads) {
  const intptr_t count = std::clamp(threads, 1, kMostThreads);
  return {run_threads, reinterpret_cast<void*>(count), static_cast<int32_t>(count)};
}
