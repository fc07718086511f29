/* Sums over the weights whose size is below a threshold: of a sorted row by search in a tree, where
 * lanes are candidates; or in one pass over the row, for one candidate. */

struct Sorted {
  const Row* row;
  double sum, mass; /* of all weights */
};

static Sorted MakeSorted(const Row* row) {
  const double mass = row->masses == nullptr ? row->length : row->masses[row->length];
  return {row, row->sums[row->length], mass};
}

/* How many of the 8 entries of a line of the tree are below a limit. */
BCQ_INLINE int64_t CountBelow(const double* line, double limit) {
#if defined(__AVX512F__)
  const __m512d limits = _mm512_set1_pd(limit);
  return __builtin_popcount(_mm512_cmp_pd_mask(_mm512_load_pd(line), limits, _CMP_LT_OQ));
#else
  int64_t count = 0;
  for (int i = 0; i < kTreeFan; ++i) count += line[i] < limit;
  return count;
#endif
}

/* How many of the 16 entries at the root of the tree are below the limits. */
BCQ_INLINE Int RootPlace(const double* root, Real limits) {
  Int place = {};
#pragma GCC unroll 4
  for (int step = kTreeRoot / 2; step > 0; step /= 2) {
    place += (Gather16(root, place + (step - 1)) < limits) & step;
  }
  return place + ((Gather16(root, place) < limits) & 1);
}

/* sums[k], masses[k]: of the weights below thresholds[k]. */
template <int N>
static void Below(const Sorted& rows, const Real* thresholds, Real* sums, Real* masses) {
  const Row* row = rows.row;
  alignas(64) int64_t places[N][kLanes];
  for (int k = 0; k < N; ++k) {
    const Int root = RootPlace(row->tree[row->tree_levels - 1], thresholds[k]);
    memcpy(places[k], &root, sizeof(root));
  }
  for (int level = row->tree_levels - 2; level >= 0; --level) {
    const double* lines = row->tree[level];
    for (int k = 0; k < N; ++k) {
#pragma GCC unroll 8
      for (int i = 0; i < kLanes; ++i) {
        const int64_t line = places[k][i] * kTreeFan;
        places[k][i] = line + CountBelow(lines + line, thresholds[k][i]);
      }
    }
  }
  const Real length = Splat(row->length);
  for (int k = 0; k < N; ++k) {
    Int place;
    memcpy(&place, places[k], sizeof(place));
    sums[k] = Gather(row->sums, place);
    masses[k] = row->masses == nullptr ? Min(Convert(place), length) : Gather(row->masses, place);
  }
}

struct Unsorted {
  const Row* row;
  bool offset;
  double sum, mass;
};

BCQ_INLINE Real SizeAt(const Row* row, bool offset, int64_t i) {
  const Real value = Load(row->values + i);
  return offset ? value : Abs(value);
}

static Unsorted MakeUnsorted(const Row* row, bool offset) {
  Real sum = {}, mass = {};
  for (int64_t i = 0; i < row->length; i += kLanes) {
    const Real size = SizeAt(row, offset, i);
    const Real weight = row->weights == nullptr ? Splat(1) : Load(row->weights + i);
    const Int used = size == size;  // not the padding
    sum += (Real)((Int)(weight * size) & used);
    mass += (Real)((Int)weight & used);
  }
  return {row, offset, Sum(sum), Sum(mass)};
}

template <int N, bool kWeighted>
BCQ_INLINE void Pass(const Unsorted& rows, const Real* thresholds, Real* sums, Real* masses) {
  Real limits[N], sum[N] = {}, mass[N] = {};
  Int count[N] = {};
  for (int k = 0; k < N; ++k) limits[k] = Splat(thresholds[k][0]);
  for (int64_t i = 0; i < rows.row->length; i += kLanes) {
    const Real size = SizeAt(rows.row, rows.offset, i);
    const Real weight = kWeighted ? Load(rows.row->weights + i) : Splat(1);
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
    sums[k] = Splat(Sum(sum[k]));
    masses[k] = Splat(Sum(kWeighted ? mass[k] : Convert(count[k])));
  }
}

template <int N>
static void Below(const Unsorted& rows, const Real* thresholds, Real* sums, Real* masses) {
  if (rows.row->weights == nullptr) Pass<N, false>(rows, thresholds, sums, masses);
  else Pass<N, true>(rows, thresholds, sums, masses);
}
