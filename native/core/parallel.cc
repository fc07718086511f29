#include "core/parallel.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace {

constexpr int64_t kLeastNanoseconds = 2500;  // of a thread's share, that telling it pays
constexpr int64_t kLeastToWake = 4000;       // and waking it, where it sleeps
constexpr int64_t kPartsPerThread = 8;       // so that all end at about the same time
constexpr int64_t kLeastPart = 2000;         // nanoseconds, that taking it pays
constexpr int32_t kMostThreads = 1024;       // of one pool, whatever is asked for
constexpr size_t kApart = 128;               // bytes between what different threads write
// How long a thread looks for the next task before it sleeps: products follow one another.
constexpr std::chrono::microseconds kAwake{200};

std::atomic<int> forks{0};  // of this process and those before it; other threads end at a fork

struct Work {
  alignas(kApart) std::atomic<int64_t> next{0};
  alignas(kApart) int64_t items, step;
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

/* Looks again and again whether something holds, for kAwake; whether it did. Where others wait for
 * the processor, they have it first. */
template <class Condition>
bool look_for(const Condition& holds) {
  const auto end = std::chrono::steady_clock::now() + kAwake;
  do {
    for (int i = 0; i < 64; ++i) {
      if (holds()) return true;
#if defined(__x86_64__)
      __builtin_ia32_pause();
#elif defined(__aarch64__)
      __asm__ volatile("yield");
#endif
    }
    std::this_thread::yield();
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

}  // namespace

/* Threads join a task while it has places: a place is taken and the thread counted as inside in one
 * step, and the caller returns when no place is left and nobody inside, so that what a task reads
 * stays as long as a thread works on it. */
struct bcq_pool {
  const int forked = forks;
  std::mutex one_task, sleep;
  std::condition_variable wake;
  alignas(kApart) std::atomic<uint64_t> state{0};  // kPlace for each place, 1 for each inside
  alignas(kApart) std::atomic<int64_t> awake{0};   // threads that look for a place
  bool ends = false;                               // under `sleep`
  Work work;
  std::vector<std::thread> others;

  static constexpr uint64_t kPlace = uint64_t{1} << 32;

  void run(int64_t items, int64_t nanoseconds, bcq_task task, void* argument) {
    const double total = static_cast<double>(items) * static_cast<double>(nanoseconds);
    const auto most = static_cast<double>(std::min<int64_t>(others.size() + 1, items));
    const auto threads = static_cast<int64_t>(std::min(most, total / kLeastNanoseconds));
    if (threads <= 1 || forked != forks || !one_task.try_lock()) return task(argument, 0, items);
    const std::lock_guard<std::mutex> unlocked_at_the_end(one_task, std::adopt_lock);
    work.next = 0;
    work.items = items;
    const int64_t equal = (items - 1) / threads + 1;
    work.step = std::min(equal, std::max(items / (threads * kPartsPerThread),
                                         1 + kLeastPart / std::max<int64_t>(1, nanoseconds)));
    work.task = task;
    work.argument = argument;
    state = kPlace * static_cast<uint64_t>(threads - 1);
    const auto worth_waking = static_cast<int64_t>(std::min(most, total / kLeastToWake));
    if (worth_waking - 1 > awake) wake_up(worth_waking - 1 - awake);
    work.run();
    state &= kPlace - 1;
    while (state != 0) {
      if (!look_for([this] { return state == 0; })) std::this_thread::yield();
    }
  }

  /* One that stops looking at this moment sees the places before it sleeps. */
  void wake_up(int64_t count) {
    const std::lock_guard<std::mutex> lock(sleep);
    for (int64_t i = 0; i < count; ++i) wake.notify_one();
  }

  bool has_place() const { return state >= kPlace; }

  void join() {
    for (uint64_t before = state; before >= kPlace;) {
      if (!state.compare_exchange_weak(before, before - kPlace + 1)) continue;
      work.run();
      --state;
      return;
    }
  }

  void live() {
    for (;;) {
      ++awake;
      const bool found = look_for([this] { return has_place(); });
      --awake;
      if (!found) {
        std::unique_lock<std::mutex> lock(sleep);
        wake.wait(lock, [this] { return ends || has_place(); });
        if (ends) return;
      }
      join();
    }
  }

  void end() {
    {
      const std::lock_guard<std::mutex> lock(sleep);
      ends = true;
    }
    wake.notify_all();
    for (std::thread& other : others) other.join();
  }
};

bcq_pool* bcq_pool_create(int32_t threads) {
  static const int watched = pthread_atfork(nullptr, nullptr, [] { ++forks; });
  static_cast<void>(watched);
  std::unique_ptr<bcq_pool> pool(new (std::nothrow) bcq_pool);
  if (pool == nullptr) return nullptr;
  bcq_pool* const made = pool.get();
  try {
    made->others.reserve(kMostThreads);
    while (static_cast<int32_t>(made->others.size()) + 1 < std::min(threads, kMostThreads)) {
      made->others.emplace_back([made] { made->live(); });
    }
  } catch (const std::exception&) {
    // The system has no more threads or no memory: those that there are do the work.
  }
  return pool.release();
}

void bcq_pool_free(bcq_pool* pool) {
  if (pool == nullptr || pool->forked != forks) return;  // whose threads are another process'
  pool->end();
  delete pool;
}

bcq_parallel bcq_pool_parallel(bcq_pool* pool) {
  if (pool == nullptr) return {nullptr, nullptr, 1};
  const auto run = [](void* context, int64_t items, int64_t nanoseconds, bcq_task task,
                      void* argument) {
    static_cast<bcq_pool*>(context)->run(items, nanoseconds, task, argument);
  };
  return {run, pool, static_cast<int32_t>(pool->others.size()) + 1};
}

bcq_parallel bcq_threads(int32_t threads) {
  static std::atomic<bcq_pool*> pools[kMostThreads + 1];
  if (threads <= 1) return bcq_pool_parallel(nullptr);
  std::atomic<bcq_pool*>& pool = pools[std::min(threads, kMostThreads)];
  bcq_pool* found = pool;
  if (found == nullptr || found->forked != forks) {
    bcq_pool* const made = bcq_pool_create(threads);
    if (pool.compare_exchange_strong(found, made)) return bcq_pool_parallel(made);
    bcq_pool_free(made);
  }
  return bcq_pool_parallel(found);
}
