/* A round: nearest levels for given params, then the least-squares params for those signs. */

constexpr double kRelaxation = 1.75;  /* step length, 1 being the way to the least squares */
constexpr double kPivotFloor = 1e-11; /* part of the mass; a smaller pivot is rounding error */

/* The normal equations A x = right of candidates with the signs that are nearest for `params`. */
template <int M>
struct Equations {
  Real a[M][M]; /* the upper triangle */
  Real right[M];
};

template <int M, bool kOffset, typename Rows>
static void make_equations(const Rows& rows, const Real* params, Equations<M>* out) {
  constexpr int K = kLevels<M>;
  Levels<M> levels;
  sort_levels<M, kOffset>(params, &levels);
  Real sums[K], masses[K];
  sums_below<K - 1>(rows, levels.thresholds, sums, masses);
  sums[K - 1] = splat(rows.sum);
  masses[K - 1] = splat(rows.mass);
  for (int i = 0; i < M; ++i) {
    out->right[i] = Real{};
    for (int j = i + 1; j < M; ++j) out->a[i][j] = Real{};
  }
  for (int k = 0; k < K; ++k) {
    const Int pattern = levels.patterns[k];
    Int sum = (Int)(k == 0 ? sums[0] : sums[k] - sums[k - 1]);
    const Int mass = (Int)(k == 0 ? masses[0] : masses[k] - masses[k - 1]);
    if (!kOffset) sum ^= (pattern << (64 - M)) & kSign;
    Int signs[M] = {};
#pragma GCC unroll 9
    for (int i = 0; i < M; ++i) {
      if (i > 0) signs[i] = (pattern << (64 - i)) & kSign;
      out->right[i] += (Real)(sum ^ signs[i]);
    }
#pragma GCC unroll 9
    for (int i = 0; i < M; ++i) {
#pragma GCC unroll 9
      for (int j = i + 1; j < M; ++j) out->a[i][j] += (Real)(mass ^ signs[i] ^ signs[j]);
    }
  }
  for (int i = 0; i < M; ++i) out->a[i][i] = splat(rows.mass);
}

/* LDL^T without a ridge: x, and what it explains of the energy. */
template <int M>
BCQ_INLINE Real solve_equations(const Equations<M>& equations, Real* x) {
  Real inverse[M], scaled[M][M], lower[M][M], y[M];
#pragma GCC unroll 9
  for (int j = 0; j < M; ++j) {
    Real pivot = equations.a[j][j];
    y[j] = equations.right[j];
    for (int k = 0; k < j; ++k) {
      pivot -= lower[j][k] * scaled[j][k];
      y[j] -= lower[j][k] * y[k];
    }
    inverse[j] = 1 / larger(pivot, equations.a[0][0] * kPivotFloor);
#pragma GCC unroll 9
    for (int i = j + 1; i < M; ++i) {
      Real entry = equations.a[j][i];
      for (int k = 0; k < j; ++k) entry -= lower[j][k] * scaled[i][k];
      scaled[i][j] = entry;
      lower[i][j] = entry * inverse[j];
    }
  }
  Real explained = {};
#pragma GCC unroll 9
  for (int j = M - 1; j >= 0; --j) {
    x[j] = y[j] * inverse[j];
    for (int i = j + 1; i < M; ++i) x[j] -= lower[i][j] * x[i];
    explained += equations.right[j] * x[j];
  }
  return explained;
}

/* One round in place. Explained is the energy less the squared error of the new params with the old
 * signs. */
template <int M, bool kOffset, typename Rows>
static Real run_round(const Rows& rows, Real* params) {
  Equations<M> equations;
  make_equations<M, kOffset>(rows, params, &equations);
  return solve_equations<M>(equations, params);
}

/* Rounds in place. All but the last go further than least squares says: many small moves the same
 * way become few. */
template <int M, bool kOffset, typename Rows>
static Real run_rounds(const Rows& rows, int rounds, Real* params) {
  for (int round = 1; round < rounds; ++round) {
    Real before[M];
    memcpy(before, params, sizeof(before));
    run_round<M, kOffset>(rows, params);
    for (int i = 0; i < M; ++i) params[i] = before[i] + kRelaxation * (params[i] - before[i]);
  }
  return run_round<M, kOffset>(rows, params);
}

/* The energy less the squared error of params with their nearest levels. */
template <int M, bool kOffset, typename Rows>
static Real explained_by(const Rows& rows, const Real* params) {
  Equations<M> equations;
  make_equations<M, kOffset>(rows, params, &equations);
  Real explained = {};
  for (int i = 0; i < M; ++i) {
    Real product = equations.a[i][i] * params[i];
    for (int j = 0; j < M; ++j) {
      if (j != i) product += equations.a[i < j ? i : j][i < j ? j : i] * params[j];
    }
    explained += params[i] * (2 * equations.right[i] - product);
  }
  return explained;
}
