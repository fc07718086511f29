/* Pools: any number of threads may be asked for, every item is done once, whoever calls. */
#include "core/parallel.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>

#include "tests/matrices.h"

using namespace bcq_test;

namespace {

/* Whether a task of `items` does each once. */
bool does_all(const bcq_parallel& parallel, int64_t items, double nanoseconds) {
  std::vector<std::atomic<int>> counts(items);
  bcq::run(parallel, items, nanoseconds, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) ++counts[i];
  });
  return std::all_of(counts.begin(), counts.end(), [](const auto& count) { return count == 1; });
}

void test_any_number(int32_t threads) {
  context = std::to_string(threads) + " threads";
  bcq_pool* pool = bcq_pool_create(threads);
  const bcq_parallel parallel = bcq_pool_parallel(pool);
  expect(parallel.threads >= 1 && parallel.threads <= 1024, "threads");
  for (int64_t items : {0, 1, 3, 5000}) {
    for (double nanoseconds : {-1.0, 0.0, 1e5, 1e300, double{INFINITY}, double{NAN}}) {
      expect(does_all(parallel, items, nanoseconds), "once");
    }
  }
  bcq_pool_free(pool);
}

/* Many short tasks, one after the other and from several threads at once. */
void test_many_tasks() {
  context = "many tasks";
  bcq_pool* pool = bcq_pool_create(3);
  const bcq_parallel parallel = bcq_pool_parallel(pool);
  std::atomic<bool> all{true};
  const auto call = [&] {
    for (int i = 0; i < 2000; ++i) all = all & does_all(parallel, 1 + i % 40, 1e5);
  };
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) callers.emplace_back(call);
  call();
  for (std::thread& caller : callers) caller.join();
  expect(all, "once");
  bcq_pool_free(pool);
}

void test_sleep() {
  context = "after a sleep";
  bcq_pool* pool = bcq_pool_create(2);
  for (int i = 0; i < 20; ++i) {
    usleep(1000);
    expect(does_all(bcq_pool_parallel(pool), 100, 1e5), "once");
  }
  bcq_pool_free(pool);
}

/* Those that the process keeps: one pool for all that ask for as many, whoever asks first. */
void test_threads() {
  context = "threads of the process";
  std::atomic<bool> all{true};
  const auto call = [&] {
    for (int32_t threads : {INT32_MIN, 0, 1, 2, 3, 5, INT32_MAX}) {
      const bcq_parallel parallel = bcq_threads(threads);
      all = all & (parallel.threads >= 1 && parallel.threads <= 1024);
      for (int i = 0; i < 50; ++i) all = all & does_all(parallel, 1 + i % 40, 1e4);
    }
  };
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) callers.emplace_back(call);
  for (std::thread& caller : callers) caller.join();
  expect(all, "once");
  expect(bcq_threads(3).context == bcq_threads(3).context, "one pool");
}

/* A child of fork() has none of the threads, but may have its own. */
void test_fork() {
  context = "fork";
  bcq_pool* pool = bcq_pool_create(4);
  does_all(bcq_pool_parallel(pool), 100, 1e5);
  const void* const before = bcq_threads(3).context;
  usleep(1000);
  const pid_t child = fork();
  if (child == 0) {
    bool all = does_all(bcq_pool_parallel(pool), 100, 1e5);
    all = all && does_all(bcq_threads(3), 100, 1e5) && bcq_threads(3).context != before;
    bcq_pool_free(pool);
    _exit(all ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  expect(status == 0, "the child's tasks");
  bcq_pool_free(pool);
}

}  // namespace

int main() {
  for (int32_t threads : {INT32_MIN, -1, 0, 1, 2, 7, INT32_MAX}) test_any_number(threads);
  test_many_tasks();
  test_sleep();
  test_threads();
  test_fork();
  context = "no pool";
  bcq_pool_free(nullptr);
  expect(does_all(bcq_pool_parallel(nullptr), 100, 1e5), "once");
  return finish();
}
