/* Sums over the weights whose size is below a threshold: of a sorted row by search in a tree, where
 * lanes are candidates; or in one pass over the row, for one candidate. */

struct Sorted {
  const Row* row;
  double sum, mass; /* of all weights */
};

static Sorted make_sorted(const Row* row) {
  const double mass = row->masses == nullptr ? row->length : row->masses[row->length];
  return {row, row->sums[row->length], mass};
}

/* How many of the 16 entries at the root of the tree are below the limits. */
BCQ_INLINE Int root_place(const double* root, Real limits) {
  Int place = {};
#pragma GCC unroll 4
  for (int step = kTreeRoot / 2; step > 0; step /= 2) {
    place += (gather16(root, place + (step - 1)) < limits) & step;
  }
  return place + ((gather16(root, place) < limits) & 1);
}

/* sums[k], masses[k]: of the weights below thresholds[k]. */
template <int N>
static void sums_below(const Sorted& rows, const Real* thresholds, Real* sums, Real* masses) {
  const Row* row = rows.row;
  alignas(64) int64_t places[N][kLanes];
  for (int k = 0; k < N; ++k) {
    const Int root = root_place(row->tree[row->tree_levels - 1], thresholds[k]);
    memcpy(places[k], &root, sizeof(root));
  }
  for (int level = row->tree_levels - 2; level >= 0; --level) {
    const double* lines = row->tree[level];
    for (int k = 0; k < N; ++k) {
#pragma GCC unroll 8
      for (int i = 0; i < kLanes; ++i) {
        const int64_t line = places[k][i] * kTreeFan;
        places[k][i] = line + count_below(lines + line, thresholds[k][i]);
      }
    }
  }
  const Real length = splat(row->length);
  for (int k = 0; k < N; ++k) {
    Int place;
    memcpy(&place, places[k], sizeof(place));
    sums[k] = gather(row->sums, place);
    masses[k] =
        row->masses == nullptr ? smaller(to_real(place), length) : gather(row->masses, place);
  }
}

struct Unsorted {
  const Row* row;
  bool offset;
  double sum, mass;
};

BCQ_INLINE Real size_at(const Row* row, bool offset, int64_t i) {
  const Real value = load(row->values + i);
  return offset ? value : magnitude(value);
}

static Unsorted make_unsorted(const Row* row, bool offset) {
  Real sum = {}, mass = {};
  for (int64_t i = 0; i < row->length; i += kLanes) {
    const Real size = size_at(row, offset, i);
    const Real weight = row->weights == nullptr ? splat(1) : load(row->weights + i);
    const Int used = size == size;  // not the padding
    sum += (Real)((Int)(weight * size) & used);
    mass += (Real)((Int)weight & used);
  }
  return {row, offset, total(sum), total(mass)};
}

template <int N, bool kWeighted>
BCQ_INLINE void pass_over(const Unsorted& rows, const Real* thresholds, Real* sums, Real* masses) {
  Real limits[N], sum[N] = {}, mass[N] = {};
  Int count[N] = {};
  for (int k = 0; k < N; ++k) limits[k] = splat(thresholds[k][0]);
  for (int64_t i = 0; i < rows.row->length; i += kLanes) {
    const Real size = size_at(rows.row, rows.offset, i);
    const Real weight = kWeighted ? load(rows.row->weights + i) : splat(1);
    const Real product = kWeighted ? weight * size : size;
#pragma GCC unroll 8
    for (int k = 0; k < N; ++k) {
      const Int below = size < limits[k];
      sum[k] += (Real)((Int)product & below);
      if (kWeighted) mass[k] += (Real)((Int)weight & below);
      else count[k] -= below;
    }
  }
  for (int k = 0; k < N; ++k) {
    sums[k] = splat(total(sum[k]));
    masses[k] = splat(total(kWeighted ? mass[k] : to_real(count[k])));
  }
}

template <int N>
static void sums_below(const Unsorted& rows, const Real* thresholds, Real* sums, Real* masses) {
  if (rows.row->weights == nullptr) pass_over<N, false>(rows, thresholds, sums, masses);
  else pass_over<N, true>(rows, thresholds, sums, masses);
}
