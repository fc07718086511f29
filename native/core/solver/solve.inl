/* The solver. Included inside the namespace of a set, after vectors.inl and the set's searches.inl.
 * Each file is built on those above it. */

#include "core/solver/levels.inl"
#include "core/solver/segments.inl"
#include "core/solver/least_squares.inl"
#include "core/solver/pool.inl"
#include "core/solver/search.inl"
#include "core/solver/assign.inl"

/* The most params for which a pass over the row is cheaper than to sort it. */
constexpr int kMostInPass = 4;

/* Two free levels, the global optimum: the means below and above the best split of the row. */
static void append_two_levels(const Sorted& rows, Pool<2>* pool) {
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
  append<2>(pool, params);
}

/* The same levels from scales that are not negative, in descending order, rounded. */
template <int M, bool kOffset>
static void make_canonical(const Row& row, int32_t scale_type, double* params) {
  for (int i = kOffset; i < M; ++i) {
    const double scale = __builtin_fabs(params[i]);
    int place = i;
    for (; place > kOffset && params[place - 1] < scale; --place) {
      params[place] = params[place - 1];
    }
    params[place] = scale;
  }
  for (int i = 0; i < M; ++i) {
    const bool wide = kOffset && i == 0 && scale_type == BCQ_E5M4;
    params[i] = round_param(params[i], row.exponent, wide ? BCQ_FLOAT16 : scale_type);
  }
}

/* The candidate of least error once it is rounded; at most a lane each. */
template <int M, bool kOffset, typename Rows>
static void choose(const Rows& rows, int32_t scale_type, Pool<M>* pool, double* params) {
  bool finite[kLanes] = {};  // or too large for the type
  for (int c = 0; c < pool->count; ++c) {
    double candidate[M], sum = 0;
    for (int i = 0; i < M; ++i) candidate[i] = pool->params[i][c];
    make_canonical<M, kOffset>(*rows.row, scale_type, candidate);
    for (int i = 0; i < M; ++i) sum += pool->params[i][c] = candidate[i];
    finite[c] = sum - sum == 0;
  }
  fill_lanes<M>(pool);
  Real lanes[M];
  load_candidates<M>(*pool, 0, lanes);
  const Real explained = explained_by<M, kOffset>(rows, lanes);
  int best = 0;
  for (int c = 1; c < pool->count; ++c) {
    if (finite[c] && (!finite[best] || explained[c] > explained[best])) best = c;
  }
  for (int i = 0; i < M; ++i) params[i] = pool->params[i][best];
}

/* Three rounds from the start and no search. */
template <int M, bool kOffset, typename Rows>
static void solve_warm(const Rows& rows, int32_t scale_type, const double* start, double* params) {
  Pool<M> pool;
  pool.count = 0;
  append<M>(&pool, start);
  append<M>(&pool, start);
  fill_lanes<M>(&pool);
  Real lanes[M];
  load_candidates<M>(pool, 0, lanes);
  run_rounds<M, kOffset>(rows, kWarmRounds, lanes);
  for (int i = 0; i < M; ++i) pool.params[i][0] = lanes[i][0];
  choose<M, kOffset>(rows, scale_type, &pool, params);
}

/* A search, or what is exact without one. start: scaled, or NULL. */
template <int M, bool kOffset>
static void solve_cold(const Sorted& rows, const Job& job, const double* start, double* params) {
  Pool<M> pool, known;
  pool.count = known.count = 0;
  if (start != nullptr) append<M>(&known, start);
  if constexpr (M == 1) {
    const double mean = rows.sum / rows.mass;
    append<M>(&pool, &mean);
  } else if constexpr (M == 2) {
    append_two_levels(rows, &pool);
  } else {
    if constexpr (M - kOffset > BCQ_MAX_TABULATED) append_uniform<M, kOffset>(rows, &known);
    pool = known;
    find_elites<M, kOffset>(rows, *job.search, &pool);
    pool.count = job.search->polished;
    polish<M, kOffset>(rows, &pool);
  }
  // The known ones stand here too, so that the result is never worse, rounding included.
  double candidate[M];
  for (int c = 0; c < known.count; ++c) {
    for (int i = 0; i < M; ++i) candidate[i] = known.params[i][c];
    if (pool.count == kLanes) --pool.count;
    append<M>(&pool, candidate);
  }
  choose<M, kOffset>(rows, job.problem->scale_type, &pool, params);
}

template <int M, bool kOffset>
static void solve_row(const Job& job, const double* start, Row* row, double* params) {
  if (M > 2 && job.search == nullptr) {
    if constexpr (M <= kMostInPass) {
      const Unsorted rows = make_unsorted(row, kOffset);
      return solve_warm<M, kOffset>(rows, job.problem->scale_type, start, params);
    }
    sort_row(kOffset, row);
    return solve_warm<M, kOffset>(make_sorted(row), job.problem->scale_type, start, params);
  }
  sort_row(kOffset, row);
  solve_cold<M, kOffset>(make_sorted(row), job, start, params);
}

template <int M, bool kOffset>
static void work(const Job& job, int64_t begin, int64_t end, Row* row) {
  const bcq_problem& problem = *job.problem;
  const int64_t columns = problem.columns, width = problem.group_size;
  const int64_t groups = (columns + width - 1) / width, units = problem.rows * groups;
  const int64_t words = (columns + BCQ_WORD_BITS - 1) / BCQ_WORD_BITS;
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t first = unit % groups * width, r = unit / groups;
    const int64_t last = first + width < columns ? first + width : columns;
    load_row(problem, r, first, last, row);
    double start[M], params[M];
    for (int i = 0; i < M && job.start != nullptr; ++i) {
      start[i] = __builtin_ldexp(job.start[i * units + unit], -row->exponent);
    }
    solve_row<M, kOffset>(job, job.start == nullptr ? nullptr : start, row, params);
    for (int i = 0; i < M; ++i) {
      job.params[i * units + unit] = __builtin_ldexp(params[i], row->exponent);
    }
    assign<M, kOffset>(*row, params, job.planes, r * words + first / BCQ_WORD_BITS);
  }
}

Worker choose_worker(int bits, bool offset) {
  static const Worker kWorkers[2][BCQ_MAX_BITS] = {
      {work<1, false>, work<2, false>, work<3, false>, work<4, false>, work<5, false>,
       work<6, false>, work<7, false>, work<8, false>},
      {work<2, true>, work<3, true>, work<4, true>, work<5, true>, work<6, true>, work<7, true>,
       work<8, true>, work<9, true>}};
  return kWorkers[offset][bits - 1];
}
