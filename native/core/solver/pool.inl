/* Candidates of one row, and which of them are the best. */

constexpr int kPool = 88; /* 5 times 16 starts, two that are known, rounded up to whole lanes */
constexpr double kSame = 1e-12; /* relative difference of `explained` of two that are the same */

template <int M>
struct Pool {
  int count;
  alignas(64) double params[M][kPool];
  alignas(64) double explained[kPool];
};

template <int M>
BCQ_INLINE void load_candidates(const Pool<M>& pool, int begin, Real* params) {
  for (int i = 0; i < M; ++i) params[i] = load(pool.params[i] + begin);
}

template <int M>
BCQ_INLINE void store_candidates(Pool<M>* pool, int begin, const Real* params) {
  for (int i = 0; i < M; ++i) store(pool->params[i] + begin, params[i]);
}

template <int M>
static void append(Pool<M>* pool, const double* params) {
  for (int i = 0; i < M; ++i) pool->params[i][pool->count] = params[i];
  ++pool->count;
}

/* Repeats the first candidate until the lanes are full; `count` stays. */
template <int M>
static void fill_lanes(Pool<M>* pool) {
  for (int c = pool->count; c % kLanes != 0; ++c) {
    for (int i = 0; i < M; ++i) pool->params[i][c] = pool->params[i][0];
  }
}

/* order[place] = candidate, the best first, equals in their order. */
static void rank(const double* explained, int count, int* order) {
  alignas(64) double keys[kPool];
  for (int c = 0; c < (count + kLanes - 1) / kLanes * kLanes; ++c) {
    keys[c] = c < count && explained[c] == explained[c] ? explained[c] : -__builtin_inf();
  }
  for (int begin = 0; begin < count; begin += kLanes) {
    const Real key = load(keys + begin);
    const Int index = Int{0, 1, 2, 3, 4, 5, 6, 7} + begin;
    Int place = {};
    for (int c = 0; c < count; ++c) {
      const Real other = splat(keys[c]);
      place -= (other > key) | ((other == key) & (index > c));
    }
    for (int i = 0; i < kLanes && begin + i < count; ++i) order[place[i]] = begin + i;
  }
}

/* Keeps the best distinct candidates, the best first. The same one again comes last, so it fills
 * up where there are too few. */
template <int M>
static void keep_best(Pool<M>* pool, int keep) {
  int order[kPool], chosen[kPool], twins[kPool], distinct = 0, again = 0;
  rank(pool->explained, pool->count, order);
  const Pool<M> old = *pool;
  double before = __builtin_inf();
  for (int place = 0; place < old.count; ++place) {
    const double explained = old.explained[order[place]];
    const bool same = place > 0 && explained >= before * (1 - kSame);
    chosen[distinct] = twins[again] = order[place];  // no branch: it could not be foretold
    distinct += !same;
    again += same;
    before = explained;
  }
  memcpy(chosen + distinct, twins, again * sizeof(int));
  pool->count = keep < old.count ? keep : old.count;
  for (int place = 0; place < pool->count; ++place) {
    const bool twin = place >= old.count - again;
    pool->explained[place] = twin ? -__builtin_inf() : old.explained[chosen[place]];
    for (int i = 0; i < M; ++i) pool->params[i][place] = old.params[i][chosen[place]];
  }
}
