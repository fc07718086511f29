#include "solver.h"

#include <atomic>
#include <cstdint>

#include "../cpu.h"
#include "../export.h"
#include "row.h"

namespace bcq_solver {

namespace portable {
Worker ChooseWorker(int bits, bool offset);
}
#if defined(__x86_64__)
namespace avx2 {
Worker ChooseWorker(int bits, bool offset);
}
namespace avx512 {
Worker ChooseWorker(int bits, bool offset);
}
#endif

namespace {

constexpr int64_t kNanoseconds = 20;  // a weight, roughly
constexpr int64_t kLongest = int64_t{1} << 30;

Worker WorkerOf(const bcq_problem& problem) {
#if defined(__x86_64__)
  if (bcq_cpu_isa() == BCQ_AVX512) return avx512::ChooseWorker(problem.bits, problem.offset);
  if (bcq_cpu_isa() == BCQ_AVX2) return avx2::ChooseWorker(problem.bits, problem.offset);
#endif
  return portable::ChooseWorker(problem.bits, problem.offset);
}

bool Valid(const bcq_problem* p) {
  int64_t size;
  return p != nullptr && p->rows > 0 && p->columns > 0 && p->values != nullptr && p->bits >= 1 &&
         p->bits <= BCQ_MAX_BITS && (p->offset == 0 || p->offset == 1) && p->group_size > 0 &&
         p->group_size <= kLongest &&
         (p->group_size == p->columns || p->group_size % BCQ_WORD_BITS == 0) &&
         (p->scale_type == BCQ_FLOAT16 || p->scale_type == BCQ_FLOAT32) &&
         !__builtin_mul_overflow(p->rows, p->columns, &size) && size <= BCQ_MOST_ELEMENTS;
}

bool Valid(const bcq_search& search, const bcq_problem& problem) {
  const int params = problem.bits + problem.offset;
  if (params <= 2) return true;  // solved exactly
  for (int bits = 2; bits <= problem.bits && bits <= BCQ_MAX_TABULATED; ++bits) {
    if (search.starts[bits] == nullptr) return false;
  }
  for (int m = 3; m <= params; ++m) {
    if (search.noise[m] == nullptr || search.growth[m] == nullptr) return false;
  }
  return search.rounds >= 1 && search.batches >= 0 &&
         (search.elites == 8 || search.elites == 16) && search.polished >= 1 &&
         search.polished <= 8;
}

/* Work that threads share, and whether all of them had memory for it. */
struct Shared {
  Job job;
  Worker worker;
  std::atomic<bool> failed{false};
};

void RunPart(void* argument, int64_t begin, int64_t end) {
  Shared& shared = *static_cast<Shared*>(argument);
  const bcq_problem& problem = *shared.job.problem;
  const int64_t length =
      problem.group_size < problem.columns ? problem.group_size : problem.columns;
  Row row;
  if (AllocateRow(length, problem.importance != nullptr, &row)) {
    shared.worker(shared.job, begin, end, &row);
  } else {
    shared.failed = true;
  }
  FreeRow(&row);
}

bcq_status Run(const Job& job, bcq_parallel parallel) {
  const bcq_problem& problem = *job.problem;
  if (job.params == nullptr || job.planes == nullptr) return BCQ_BAD_ARGUMENT;
  for (int i = 0; i < problem.bits; ++i) {
    if (job.planes[i] == nullptr) return BCQ_BAD_ARGUMENT;
  }
  Shared shared;
  shared.job = job;
  shared.worker = WorkerOf(problem);
  const int64_t units = problem.rows * ((problem.columns - 1) / problem.group_size + 1);
  const int64_t cost = kNanoseconds * (problem.columns / (units / problem.rows) + 1);
  if (parallel.run == nullptr) {
    RunPart(&shared, 0, units);
  } else {
    parallel.run(parallel.context, units, cost, RunPart, &shared);
  }
  return shared.failed ? BCQ_NO_MEMORY : BCQ_OK;
}

}  // namespace
}  // namespace bcq_solver

extern "C" {

BCQ_EXPORT bcq_status bcq_solve(const bcq_problem* problem, const bcq_search* search,
                                const double* start, double* params, uint32_t* const* planes,
                                bcq_parallel parallel) {
  if (!bcq_solver::Valid(problem)) return BCQ_BAD_ARGUMENT;
  const bool valid =
      search == nullptr ? start != nullptr : bcq_solver::Valid(*search, *problem);
  if (!valid) return BCQ_BAD_ARGUMENT;
  return bcq_solver::Run({problem, search, start, params, planes}, parallel);
}

}  // extern "C"
