/* Columns of 16 rows under a quadratic form. Included inside the namespace of a set, after its
 * arithmetic. */

namespace quadratic {

struct Level {
  f32x16 value;
  i32x16 code;
};

/* The level of a column that is nearest a target. */
static inline Level nearest(const Panel& panel, int64_t column, const f32x16& target) {
  const int64_t first = panel.group_of[column] * panel.levels * kLanes;
  Level level = {load<f32x16>(panel.values + first), load<i32x16>(panel.codes_of + first)};
  for (int64_t i = first + kLanes; i < first + panel.levels * kLanes; i += kLanes) {
    const i32x16 above = target > load<f32x16>(panel.middles + i);
    level.value = above ? load<f32x16>(panel.values + i) : level.value;
    level.code = above ? load<i32x16>(panel.codes_of + i) : level.code;
  }
  return level;
}

/* Adds what an error, or its change, in a column brings to the columns behind it. */
static inline void hand_on(const Panel& panel, int64_t column, const f32x16& error) {
  const float* row = panel.matrix + column * panel.columns;
  for (int64_t c = column + 1; c < panel.columns; ++c) {
    float* target = panel.targets + c * kLanes;
    store(target, multiply_add(error, f32x16{} + row[c], load<f32x16>(target)));
  }
}

static void feed_back(const Panel& panel) {
  for (int64_t c = 0; c < panel.columns; ++c) {
    const Level level = nearest(panel, c, load<f32x16>(panel.targets + c * kLanes));
    const f32x16 error = load<f32x16>(panel.weights + c * kLanes) - level.value;
    store(panel.codes + c * kLanes, level.code);
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
    const Level level = nearest(panel, c, weight - before + pull / cost);
    const f32x16 error = weight - level.value;
    store(panel.codes + c * kLanes, level.code);
    store(panel.errors + c * kLanes, error);
    hand_on(panel, c, error - before);
  }
}

static constexpr QuadraticKernels kKernels = {feed_back, descend};

}  // namespace quadratic

extern const QuadraticKernels kQuadratic = quadratic::kKernels;
