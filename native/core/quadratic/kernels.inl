/* Columns of 16 rows under a quadratic form. Included inside the namespace of a set, after its
 * arithmetic. */

namespace quadratic {

enum { kHalf = kLanes / 2 }; /* GCC compares longer vectors than the processor's lane by lane */

/* The nearest levels of half the rows. */
static inline void nearest_half(const Panel& panel, int64_t first, const f32x8& target,
                                float* value, int32_t* code) {
  f32x8 v = load<f32x8>(panel.values + first);
  i32x8 c = load<i32x8>(panel.codes_of + first);
  for (int64_t i = first + kLanes; i < first + panel.levels * kLanes; i += kLanes) {
    const i32x8 above = target > load<f32x8>(panel.middles + i);
    v = above ? load<f32x8>(panel.values + i) : v;
    c = above ? load<i32x8>(panel.codes_of + i) : c;
  }
  store(value, v);
  store(code, c);
}

/* Gives a column the levels nearest its targets: writes its codes and returns the levels. */
static inline f32x16 nearest(const Panel& panel, int64_t column, const f32x16& target) {
  const int64_t first = panel.group_of[column] * panel.levels * kLanes;
  float targets[kLanes], values[kLanes];
  store(targets, target);
  for (int64_t half = 0; half < kLanes; half += kHalf) {
    nearest_half(panel, first + half, load<f32x8>(targets + half), values + half,
                 panel.codes + column * kLanes + half);
  }
  return load<f32x16>(values);
}

/* Adds what an error, or its change, in a column brings to the columns behind it. */
static inline void hand_on(const Panel& panel, int64_t column, const f32x16& error) {
  const float* row = panel.matrix + column * panel.columns;
  for (int64_t c = column + 1; c < panel.columns; ++c) {
    float* target = panel.targets + c * kLanes;
    store(target, load<f32x16>(target) + error * row[c]);
  }
}

static void feed_back(const Panel& panel) {
  for (int64_t c = 0; c < panel.columns; ++c) {
    const f32x16 level = nearest(panel, c, load<f32x16>(panel.targets + c * kLanes));
    const f32x16 error = load<f32x16>(panel.weights + c * kLanes) - level;
    store(panel.errors + c * kLanes, error);
    hand_on(panel, c, error);
  }
}

static void descend(const Panel& panel) {
  for (int64_t c = 0; c < panel.columns; ++c) {
    const float cost = panel.matrix[c * panel.columns + c];
    const f32x16 weight = load<f32x16>(panel.weights + c * kLanes);
    const f32x16 before = load<f32x16>(panel.errors + c * kLanes);
    const f32x16 pull = load<f32x16>(panel.targets + c * kLanes);
    const f32x16 error = weight - nearest(panel, c, weight - before + pull / cost);
    store(panel.errors + c * kLanes, error);
    hand_on(panel, c, error - before);
  }
}

static constexpr QuadraticKernels kKernels = {feed_back, descend};

}  // namespace quadratic

extern const QuadraticKernels kQuadratic = quadratic::kKernels;
