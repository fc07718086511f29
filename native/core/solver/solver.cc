#include "core/solver/solver.h"

#include <atomic>

#include "core/isa/instruction_set.h"

namespace {

using namespace bcq;
using namespace bcq::solver;

constexpr double kNanoseconds = 20;  // a weight, roughly
constexpr int64_t kLongest = int64_t{1} << 30;

bool valid(const bcq_problem* p) {
  int64_t size;
  return p != nullptr && p->rows > 0 && p->columns > 0 && p->values != nullptr && p->bits >= 1 &&
         p->bits <= BCQ_MAX_BITS && (p->offset == 0 || p->offset == 1) && p->group_size > 0 &&
         p->group_size <= kLongest &&
         (p->group_size == p->columns || p->group_size % BCQ_WORD_BITS == 0) &&
         (p->scale_type == BCQ_E5M4 || p->scale_type == BCQ_FLOAT16 ||
          p->scale_type == BCQ_FLOAT32) &&
         !__builtin_mul_overflow(p->rows, p->columns, &size) && size <= BCQ_MOST_ELEMENTS;
}

bool valid(const bcq_search& search, const bcq_problem& problem) {
  const int params = problem.bits + problem.offset;
  if (params <= 2) return true;  // solved exactly
  for (int bits = 2; bits <= problem.bits && bits <= BCQ_MAX_TABULATED; ++bits) {
    if (search.starts[bits] == nullptr) return false;
  }
  for (int m = 3; m <= params; ++m) {
    if (search.noise[m] == nullptr || search.growth[m] == nullptr) return false;
  }
  return search.rounds >= 1 && search.batches >= 0 && (search.elites == 8 || search.elites == 16) &&
         search.polished >= 1 && search.polished <= 8;
}

}  // namespace

bcq_status bcq_solve(const bcq_problem* problem, const bcq_search* search, const double* start,
                     double* params, uint32_t* const* planes, bcq_parallel parallel) {
  if (!valid(problem) || params == nullptr || planes == nullptr) return BCQ_BAD_ARGUMENT;
  if (search == nullptr ? start == nullptr : !valid(*search, *problem)) return BCQ_BAD_ARGUMENT;
  for (int i = 0; i < problem->bits; ++i) {
    if (planes[i] == nullptr) return BCQ_BAD_ARGUMENT;
  }
  const Job job = {problem, search, start, params, planes};
  const Worker work = isa().solver(problem->bits, problem->offset);
  const int64_t groups = divide_up(problem->columns, problem->group_size);
  const int64_t length = smaller(problem->group_size, problem->columns);
  std::atomic<bool> failed{false};
  run(parallel, problem->rows * groups, kNanoseconds * length, [&](int64_t begin, int64_t end) {
    Row row;
    if (allocate_row(length, problem->importance != nullptr, &row)) {
      work(job, begin, end, &row);
    } else {
      failed = true;
    }
    free_row(&row);
  });
  return failed ? BCQ_NO_MEMORY : BCQ_OK;
}
