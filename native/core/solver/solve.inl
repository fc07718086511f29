/* The solver for one instruction set; included once for each, in a namespace of its own. */
#include <cstdint>
#include <cstring>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "row.h"

namespace bcq_solver {
namespace BCQ_NAMESPACE {

#include "lanes.inl"
// What follows is built on what stands above it.
#include "levels.inl"
#include "segments.inl"
#include "least_squares.inl"
#include "pool.inl"
#include "search.inl"
#include "assign.inl"

/* The most params for which a pass over the row is cheaper than to sort it. */
constexpr int kMostInPass = 4;

/* Two free levels, the global optimum: the means below and above the best split of the row. */
static void AppendTwoLevels(const Sorted& rows, Pool<2>* pool) {
  const Row& row = *rows.row;
  double best = -1, low = 0, high = 0;
  for (int64_t i = 1; i <= row.length; ++i) {
    const double sum = row.sums[i], mass = row.masses == nullptr ? i : row.masses[i];
    const double rest_sum = i < row.length ? rows.sum - sum : 0;
    const double rest_mass = i < row.length ? rows.mass - mass : 1;
    const double explained = sum * sum / mass + rest_sum * rest_sum / rest_mass;
    if (explained <= best) continue;
    best = explained;
    low = sum / mass;
    high = i < row.length ? rest_sum / rest_mass : low;
  }
  const double params[2] = {(high + low) / 2, (high - low) / 2};
  Append<2>(pool, params);
}

/* The same levels from scales that are not negative, in descending order, rounded. */
template <int M, bool kOffset>
static void Canonical(const Row& row, int32_t scale_type, double* params) {
  for (int i = kOffset; i < M; ++i) {
    const double scale = __builtin_fabs(params[i]);
    int place = i;
    for (; place > kOffset && params[place - 1] < scale; --place) {
      params[place] = params[place - 1];
    }
    params[place] = scale;
  }
  for (int i = 0; i < M; ++i) params[i] = RoundParam(params[i], row.exponent, scale_type);
}

/* The candidate of least error once it is rounded; at most a lane each. */
template <int M, bool kOffset, typename Rows>
static void Choose(const Rows& rows, int32_t scale_type, Pool<M>* pool, double* params) {
  bool finite[kLanes] = {};  // or too large for the type
  for (int c = 0; c < pool->count; ++c) {
    double candidate[M], sum = 0;
    for (int i = 0; i < M; ++i) candidate[i] = pool->params[i][c];
    Canonical<M, kOffset>(*rows.row, scale_type, candidate);
    for (int i = 0; i < M; ++i) sum += pool->params[i][c] = candidate[i];
    finite[c] = sum - sum == 0;
  }
  FillLanes<M>(pool);
  Real lanes[M];
  LoadCandidates<M>(*pool, 0, lanes);
  const Real explained = Explained<M, kOffset>(rows, lanes);
  int best = 0;
  for (int c = 1; c < pool->count; ++c) {
    if (finite[c] && (!finite[best] || explained[c] > explained[best])) best = c;
  }
  for (int i = 0; i < M; ++i) params[i] = pool->params[i][best];
}

/* Three rounds from the start and no search. */
template <int M, bool kOffset, typename Rows>
static void SolveWarm(const Rows& rows, int32_t scale_type, const double* start, double* params) {
  Pool<M> pool;
  pool.count = 0;
  Append<M>(&pool, start);
  Append<M>(&pool, start);
  FillLanes<M>(&pool);
  Real lanes[M];
  LoadCandidates<M>(pool, 0, lanes);
  Steps<M, kOffset>(rows, kWarmRounds, lanes);
  for (int i = 0; i < M; ++i) pool.params[i][0] = lanes[i][0];
  Choose<M, kOffset>(rows, scale_type, &pool, params);
}

/* A search, or what is exact without one. start: scaled, or NULL. */
template <int M, bool kOffset>
static void SolveCold(const Sorted& rows, const Job& job, const double* start, double* params) {
  Pool<M> pool, known;
  pool.count = known.count = 0;
  if (start != nullptr) Append<M>(&known, start);
  if constexpr (M == 1) {
    const double mean = rows.sum / rows.mass;
    Append<M>(&pool, &mean);
  } else if constexpr (M == 2) {
    AppendTwoLevels(rows, &pool);
  } else {
    if constexpr (M - kOffset > BCQ_MAX_TABULATED) AppendUniform<M, kOffset>(rows, &known);
    pool = known;
    Elites<M, kOffset>(rows, *job.search, &pool);
    pool.count = job.search->polished;
    Polish<M, kOffset>(rows, &pool);
  }
  // The known ones stand here too, so that the result is never worse, rounding included.
  double candidate[M];
  for (int c = 0; c < known.count; ++c) {
    for (int i = 0; i < M; ++i) candidate[i] = known.params[i][c];
    if (pool.count == kLanes) --pool.count;
    Append<M>(&pool, candidate);
  }
  Choose<M, kOffset>(rows, job.problem->scale_type, &pool, params);
}

template <int M, bool kOffset>
static void SolveRow(const Job& job, const double* start, Row* row, double* params) {
  if (M > 2 && job.search == nullptr) {
    if constexpr (M <= kMostInPass) {
      const Unsorted rows = MakeUnsorted(row, kOffset);
      return SolveWarm<M, kOffset>(rows, job.problem->scale_type, start, params);
    }
    SortRow(kOffset, row);
    return SolveWarm<M, kOffset>(MakeSorted(row), job.problem->scale_type, start, params);
  }
  SortRow(kOffset, row);
  SolveCold<M, kOffset>(MakeSorted(row), job, start, params);
}

template <int M, bool kOffset>
static void Work(const Job& job, int64_t begin, int64_t end, Row* row) {
  const bcq_problem& problem = *job.problem;
  const int64_t columns = problem.columns, width = problem.group_size;
  const int64_t groups = (columns + width - 1) / width, units = problem.rows * groups;
  const int64_t words = (columns + BCQ_WORD_BITS - 1) / BCQ_WORD_BITS;
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t first = unit % groups * width, r = unit / groups;
    const int64_t last = first + width < columns ? first + width : columns;
    LoadRow(problem, r, first, last, row);
    double start[M], params[M];
    for (int i = 0; i < M && job.start != nullptr; ++i) {
      start[i] = __builtin_ldexp(job.start[i * units + unit], -row->exponent);
    }
    SolveRow<M, kOffset>(job, job.start == nullptr ? nullptr : start, row, params);
    for (int i = 0; i < M; ++i) {
      job.params[i * units + unit] = __builtin_ldexp(params[i], row->exponent);
    }
    Assign<M, kOffset>(*row, params, job.planes, r * words + first / BCQ_WORD_BITS);
  }
}

Worker ChooseWorker(int bits, bool offset) {
  static const Worker kWorkers[2][BCQ_MAX_BITS] = {
      {Work<1, false>, Work<2, false>, Work<3, false>, Work<4, false>, Work<5, false>,
       Work<6, false>, Work<7, false>, Work<8, false>},
      {Work<2, true>, Work<3, true>, Work<4, true>, Work<5, true>, Work<6, true>, Work<7, true>,
       Work<8, true>, Work<9, true>}};
  return kWorkers[offset][bits - 1];
}

}  // namespace BCQ_NAMESPACE
}  // namespace bcq_solver
