/* The search: tabulated starts, then batches of perturbed elites, then polish. */

constexpr int kPolishRounds = 50, kWarmRounds = 3;
constexpr int kShiftEvery = 3; /* batches */
constexpr double kShift = 4;   /* of the smallest param */

template <int M, bool kOffset>
static void alternate(const Sorted& rows, int rounds, int begin, int end, Pool<M>* pool) {
  for (int c = begin; c < end; c += kLanes) {
    Real params[M];
    load_candidates<M>(*pool, c, params);
    store(pool->explained + c, run_rounds<M, kOffset>(rows, rounds, params));
    store_candidates<M>(pool, c, params);
  }
}

/* Rounds until none of the first candidates, at most a lane each, explains more than before. */
template <int M, bool kOffset>
static void polish(const Sorted& rows, Pool<M>* pool) {
  Real params[M];
  load_candidates<M>(*pool, 0, params);
  Real best = run_round<M, kOffset>(rows, params);
  for (int round = 0; round < kPolishRounds; ++round) {
    Real next[M];
    memcpy(next, params, sizeof(next));
    const Real explained = run_round<M, kOffset>(rows, next);
    const Int better = explained > best * (1 + kSame);
    int64_t any = 0;
    for (int i = 0; i < kLanes; ++i) any |= better[i];
    if (!any) break;
    for (int i = 0; i < M; ++i) params[i] = better ? next[i] : params[i];
    best = better ? explained : best;
  }
  store_candidates<M>(pool, 0, params);
}

/* Where an offset may lie: the mean, zero, the median and the middle of the range. */
static int find_centers(const Sorted& rows, bool offset, double* centers) {
  const Row* row = rows.row;
  centers[0] = offset ? rows.sum / rows.mass : 0;
  if (!offset) return 1;
  centers[1] = 0;
  centers[2] = row->sorted[row->length / 2];
  centers[3] = (row->sorted[0] + row->sorted[row->length - 1]) / 2;
  return 4;
}

static double mean_deviation(const Row* row, double center) {
  double sum = 0;
  for (int64_t i = 0; i < row->length; ++i) sum += __builtin_fabs(row->sorted[i] - center);
  return sum / row->length;
}

template <int M, bool kOffset>
static void append_tabulated(const Sorted& rows, const double* starts, Pool<M>* pool) {
  double centers[4];
  const int count = find_centers(rows, kOffset, centers);
  for (int center = 0; center < count; ++center) {
    const double mean = kOffset ? mean_deviation(rows.row, centers[center]) : rows.sum / rows.mass;
    for (int c = 0; c < BCQ_CANDIDATES; ++c) {
      double params[M];
      params[0] = centers[center];
      for (int i = 0; i < M - kOffset; ++i) {
        params[i + kOffset] = starts[i * BCQ_CANDIDATES + c] * mean;
      }
      append<M>(pool, params);
    }
  }
}

/* First candidates from those of one param fewer: the smallest scale halved. */
template <int M, bool kOffset>
static void append_extended(const Pool<M - 1>& fewer, Pool<M>* pool) {
  for (int c = 0; c < fewer.count; ++c) {
    double params[M], smallest = __builtin_inf();
    for (int i = 0; i < M - 1; ++i) {
      params[i] = fewer.params[i][c];
      const double scale = __builtin_fabs(params[i]);
      if (i >= kOffset && scale < smallest) smallest = scale;
    }
    params[M - 1] = smallest / 2;
    append<M>(pool, params);
  }
}

/* Appends 16 children of the elites, perturbed by the noise of a batch. */
template <int M, bool kOffset>
static void append_children(const bcq_search& search, int batch, Pool<M>* pool) {
  const int parents = pool->count;
  const int64_t at = int64_t{batch} * M * BCQ_CANDIDATES;
  for (int c = 0; c < BCQ_CANDIDATES; c += kLanes) {
    const double *noise = search.noise[M] + at + c, *growth = search.growth[M] + at + c;
    Real params[M];
    load_candidates<M>(*pool, c % parents, params);
    Real smallest = magnitude(params[0]), largest = magnitude(params[M - 1]);
    for (int i = 1; i < M; ++i) {
      smallest = smaller(smallest, magnitude(params[i]));
      largest = larger(largest, magnitude(params[i]));
    }
    for (int i = 0; i < M; ++i) {
      const Real change = load(noise + i * BCQ_CANDIDATES);
      // All params move by a few times the smallest one: where a row has outliers, it is the small
      // differences of large scales that make the levels of the others.
      if (batch % kShiftEvery == kShiftEvery - 1) params[i] += kShift * change * smallest;
      else if (kOffset && i == 0) params[i] += change * largest;
      else params[i] *= load(growth + i * BCQ_CANDIDATES);
    }
    store_candidates<M>(pool, parents + c, params);
  }
  pool->count += BCQ_CANDIDATES;
}

/* The best distinct candidates found, the best first; those in the pool are tried too. */
template <int M, bool kOffset>
static void find_elites(const Sorted& rows, const bcq_search& search, Pool<M>* pool) {
  constexpr int kBits = M - kOffset;
  if constexpr (kBits <= BCQ_MAX_TABULATED) {
    append_tabulated<M, kOffset>(rows, search.starts[kBits], pool);
  }
  // Where there is an offset, too, tables are too coarse.
  if constexpr (kBits > BCQ_MAX_TABULATED || (kOffset && kBits > 2)) {
    Pool<M - 1> fewer;
    fewer.count = 0;
    find_elites<M - 1, kOffset>(rows, search, &fewer);
    append_extended<M, kOffset>(fewer, pool);
  }
  fill_lanes<M>(pool);
  alternate<M, kOffset>(rows, search.rounds, 0, pool->count, pool);
  keep_best<M>(pool, search.elites);
  for (int batch = 0; batch < search.batches; ++batch) {
    const int parents = pool->count;
    append_children<M, kOffset>(search, batch, pool);
    alternate<M, kOffset>(rows, search.rounds, parents, pool->count, pool);
    keep_best<M>(pool, search.elites);
  }
}

/* The uniform levels round a center with the best of many clipping limits; what they explain. */
template <int M, bool kOffset>
static double best_limit(const Sorted& rows, double center, double largest, double* found) {
  constexpr int kSteps = 16, kZooms = 4;
  double low = 0, high = largest, best = -__builtin_inf();
  for (int zoom = 0; zoom < kZooms; ++zoom) {
    const double step = (high - low) / kSteps;
    double middle = (low + high) / 2;
    for (int c = 1; c <= kSteps; c += kLanes) {
      const Real limit = low + step * (Real{0, 1, 2, 3, 4, 5, 6, 7} + c);
      Real params[M];
      params[0] = splat(center);
      for (int i = kOffset; i < M; ++i) {
        params[i] = limit * ((1 << (M - 1 - i)) / ((1 << (M - kOffset)) - 1.0));
      }
      const Real explained = explained_by<M, kOffset>(rows, params);
      for (int lane = 0; lane < kLanes; ++lane) {
        if (!(explained[lane] > best)) continue;
        best = explained[lane];
        middle = limit[lane];
        for (int i = 0; i < M; ++i) found[i] = params[i][lane];
      }
    }
    low = middle - step;
    high = middle + step;
  }
  return best;
}

/* The best uniform quantization of the row. */
template <int M, bool kOffset>
static void append_uniform(const Sorted& rows, Pool<M>* pool) {
  const double least = rows.row->sorted[0], most = rows.row->sorted[rows.row->length - 1];
  double centers[4], best = -__builtin_inf(), params[M] = {};
  const int count = find_centers(rows, kOffset, centers);
  for (int i = 0; i < count; ++i) {
    const double below = centers[i] - least, above = most - centers[i];
    double found[M] = {};
    const double explained =
        best_limit<M, kOffset>(rows, centers[i], below > above ? below : above, found);
    if (!(explained > best)) continue;
    best = explained;
    memcpy(params, found, sizeof(params));
  }
  append<M>(pool, params);
}
