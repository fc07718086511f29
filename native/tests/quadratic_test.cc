/* Feedback and descent on blocks of awkward sizes, in memory without a byte to spare, against plain
 * loops in double. */
#include "core/quadratic/quadratic.h"

#include <algorithm>

#include "tests/matrices.h"

using namespace bcq_test;

namespace {

struct Sizes {
  int64_t rows, columns, groups, levels;
};

struct Case {
  Sizes sizes;
  std::vector<int32_t> group_of;
  std::vector<float> values, matrix, weights, targets;
  std::vector<uint8_t> codes_of, codes;
  std::vector<float> errors;
  bcq_block block;

  explicit Case(const Sizes& s) : sizes(s) {
    std::normal_distribution<float> normal(0, 1);
    const auto numbers = [&](int64_t count) {
      std::vector<float> v(count);
      for (float& x : v) x = normal(random_bits);
      return v;
    };
    for (int64_t c = 0; c < s.columns; ++c) group_of.push_back(random_bits() % s.groups);
    values = numbers(s.rows * s.groups * s.levels);
    for (size_t i = 0; i < values.size(); i += s.levels) {
      std::sort(values.begin() + i, values.begin() + i + s.levels);
    }
    for (size_t i = 0; i < values.size(); ++i) codes_of.push_back(i % s.levels);
    matrix = numbers(s.columns * s.columns);
    for (float& x : matrix) x *= .1f;
    for (int64_t c = 0; c < s.columns; ++c) matrix[c * s.columns + c] = 1.5f;
    weights = numbers(s.rows * s.columns);
    targets = numbers(s.rows * s.columns);
    codes.assign(s.rows * s.columns, 0);
    errors = numbers(s.rows * s.columns);
    block = {s.rows,        s.columns,       s.groups,      s.levels,      group_of.data(),
             values.data(), codes_of.data(), matrix.data(), weights.data()};
  }

  const float* levels(int64_t row, int64_t column) const {
    return &values[(row * sizes.groups + group_of[column]) * sizes.levels];
  }

  /* That the code of a column is the one nearest its target, and the error what it leaves. */
  void expect_nearest(int64_t row, int64_t column, double target) const {
    const int64_t at = row * sizes.columns + column;
    const float* of = levels(row, column);
    double best = INFINITY;
    for (int64_t k = 0; k < sizes.levels; ++k) best = std::min(best, fabs(of[k] - target));
    expect(codes[at] < sizes.levels, "a code");
    const float value = of[codes[at]];
    expect(fabs(fabs(value - target) - best) < 1e-4, "the nearest level");
    expect(fabs(weights[at] - value - errors[at]) < 1e-5, "the error");
  }
};

void test_feedback(const Sizes& sizes) {
  Case c(sizes);
  expect(bcq_feed_back(&c.block, c.targets.data(), c.codes.data(), c.errors.data(), scattered()) ==
             BCQ_OK,
         "status of feedback");
  for (int64_t r = 0; r < sizes.rows; ++r) {
    for (int64_t k = 0; k < sizes.columns; ++k) {
      double target = c.targets[r * sizes.columns + k];
      for (int64_t j = 0; j < k; ++j) {
        target +=
            static_cast<double>(c.errors[r * sizes.columns + j]) * c.matrix[j * sizes.columns + k];
      }
      c.expect_nearest(r, k, target);
    }
  }
}

void test_descent(const Sizes& sizes) {
  Case c(sizes);
  const std::vector<float> before = c.errors;
  expect(bcq_descend(&c.block, c.targets.data(), c.codes.data(), c.errors.data(), scattered()) ==
             BCQ_OK,
         "status of descent");
  for (int64_t r = 0; r < sizes.rows; ++r) {
    for (int64_t k = 0; k < sizes.columns; ++k) {
      const int64_t at = r * sizes.columns + k;
      double pull = c.targets[at];
      for (int64_t j = 0; j < k; ++j) {
        const int64_t other = r * sizes.columns + j;
        pull += (static_cast<double>(c.errors[other]) - before[other]) *
                c.matrix[j * sizes.columns + k];
      }
      c.expect_nearest(r, k, c.weights[at] - before[at] + pull / 1.5);
    }
  }
}

void test_bad_arguments() {
  context = "bad arguments";
  Case c({3, 5, 2, 4});
  const auto status = [&](const bcq_block& block) {
    return bcq_descend(&block, c.targets.data(), c.codes.data(), c.errors.data(), alone());
  };
  expect(status(c.block) == BCQ_OK, "good");
  bcq_block wrong[8];
  for (bcq_block& block : wrong) block = c.block;
  wrong[0].rows = -1, wrong[1].columns = 0, wrong[2].groups = 0, wrong[3].levels = 257;
  wrong[4].columns = int64_t{1} << 40, wrong[5].values = nullptr, wrong[6].rows = int64_t{1} << 60;
  c.group_of[4] = 2;
  for (const bcq_block& block : wrong) expect(status(block) == BCQ_BAD_ARGUMENT, "refused");
  expect(bcq_feed_back(nullptr, nullptr, nullptr, nullptr, alone()) == BCQ_BAD_ARGUMENT, "nothing");
}

}  // namespace

int main() {
  for (const Sizes& sizes : {Sizes{1, 1, 1, 1}, Sizes{17, 40, 3, 4}, Sizes{16, 9, 1, 256},
                             Sizes{33, 7, 7, 2}, Sizes{0, 5, 1, 8}, Sizes{5, 130, 2, 16}}) {
    context = "[" + std::to_string(sizes.rows) + ", " + std::to_string(sizes.columns) + "]";
    test_feedback(sizes);
    test_descent(sizes);
  }
  test_bad_arguments();
  return finish();
}
