/* Threads: any number may be asked for, every item is done once. */
#include "core/parallel.h"

#include <atomic>

#include "tests/matrices.h"

using namespace bcq_test;

int main() {
  for (int32_t threads : {INT32_MIN, -1, 0, 1, 2, 7, INT32_MAX}) {
    context = std::to_string(threads) + " threads";
    const bcq_parallel parallel = bcq_threads(threads);
    expect(parallel.threads >= 1 && parallel.threads <= 1024, "threads");
    for (int64_t items : {0, 1, 3, 5000}) {
      for (double nanoseconds : {-1.0, 0.0, 1e300, double{INFINITY}, double{NAN}}) {
        std::vector<std::atomic<int>> counts(items);
        bcq::run(parallel, items, nanoseconds, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) ++counts[i];
        });
        for (const auto& count : counts) expect(count == 1, "once");
      }
    }
  }
  return finish();
}
