/* The solver on rows of awkward lengths and values: in memory without a byte to spare. */
#include "core/solver/solver.h"

#include "tests/matrices.h"

using namespace bcq_test;

namespace {

struct Task {
  int64_t rows, columns, group_size;
  int32_t bits, offset, scale_type, is_double;
  bool weighted;
};

std::string name(const Task& t) {
  return "[" + std::to_string(t.rows) + ", " + std::to_string(t.columns) + "], groups of " +
         std::to_string(t.group_size) + ", " + std::to_string(t.bits) + " bits" +
         (t.offset ? ", offset" : "") + ", scale type " + std::to_string(t.scale_type) +
         (t.is_double ? ", double" : "") + (t.weighted ? ", weighted" : "");
}

/* A search with random tables. */
struct Search {
  std::vector<std::vector<double>> arrays;
  bcq_search search = {};

  Search(const Task& t, int32_t elites) {
    std::normal_distribution<double> normal(0, .2);
    search.rounds = 3, search.batches = 4, search.elites = elites, search.polished = elites / 2;
    for (int b = 2; b <= std::min<int>(t.bits, BCQ_MAX_TABULATED); ++b) {
      search.starts[b] = array(b * BCQ_CANDIDATES, [&] { return fabs(normal(random_bits)) * 4; });
    }
    for (int m = 3; m <= t.bits + t.offset; ++m) {
      const int64_t count = int64_t{search.batches} * m * BCQ_CANDIDATES;
      search.noise[m] = array(count, [&] { return normal(random_bits); });
      search.growth[m] = array(count, [&] { return exp(normal(random_bits)); });
    }
  }

  template <class Draw>
  const double* array(int64_t count, const Draw& draw) {
    arrays.emplace_back(count);
    std::generate(arrays.back().begin(), arrays.back().end(), draw);
    return arrays.back().data();
  }
};

struct Solution {
  std::vector<double> params; /* [m][rows][groups] */
  std::vector<std::vector<uint32_t>> planes;

  bool operator==(const Solution& other) const {
    return params == other.params && planes == other.planes;
  }
};

struct Problem {
  Task task;
  int64_t groups, words;
  std::vector<double> values, importance;
  std::vector<float> values32, importance32;
  bcq_problem problem;

  explicit Problem(const Task& t, int kind = 0)
      : task(t),
        groups((t.columns + t.group_size - 1) / t.group_size),
        words((t.columns + 31) / 32) {
    for (int64_t i = 0; i < t.rows * t.columns; ++i) {
      values.push_back(static_cast<float>(value(kind + i / t.columns, i % t.columns)));
      importance.push_back(i / t.columns % 3 == 2 ? 0 : random_bits() % 1000);
    }
    values32.assign(values.begin(), values.end());
    importance32.assign(importance.begin(), importance.end());
    const auto pick = [&](const auto& wide, const auto& narrow) {
      return t.is_double ? static_cast<const void*>(wide.data()) : narrow.data();
    };
    problem = {t.rows,
               t.columns,
               t.group_size,
               t.bits,
               t.offset,
               t.scale_type,
               t.is_double,
               pick(values, values32),
               t.weighted ? pick(importance, importance32) : nullptr};
  }
  Problem(const Problem&) = delete;

  /* Each kind of row in turn. */
  static double value(int64_t kind, int64_t column) {
    const double normal = std::normal_distribution<double>()(random_bits);
    switch (kind % 8) {
      case 0:
        return normal;
      case 1:
        return pow(normal, 5);
      case 2:
        return 0;
      case 3:
        return column % 2 ? -0.0 : 1.5;
      case 4:
        return -0.25;
      case 5:
        return normal * 1e-41;
      case 6:
        return copysign(3e38, normal);
      default:
        return column == 0 ? 1e30 : normal * 1e-30;
    }
  }

  int64_t param_count() const { return task.bits + task.offset; }

  Solution empty() const {
    return {std::vector<double>(param_count() * task.rows * groups, 7),
            std::vector<std::vector<uint32_t>>(task.bits,
                                               std::vector<uint32_t>(task.rows * words, ~0u))};
  }
  static std::vector<uint32_t*> pointers(Solution& s) {
    std::vector<uint32_t*> pointers;
    for (auto& plane : s.planes) pointers.push_back(plane.data());
    return pointers;
  }

  Solution solve(const bcq_search* search, const std::vector<double>* start,
                 bcq_parallel parallel) {
    Solution s = empty();
    const double* from = start == nullptr ? nullptr : start->data();
    expect(
        bcq_solve(&problem, search, from, s.params.data(), pointers(s).data(), parallel) == BCQ_OK,
        "status");
    return s;
  }

  double param(const Solution& s, int64_t i, int64_t row, int64_t group) const {
    return s.params[(i * task.rows + row) * groups + group];
  }
  double value_at(int64_t row, int64_t column) const { return values[row * task.columns + column]; }
  int64_t begin(int64_t group) const { return group * task.group_size; }
  int64_t end(int64_t group) const { return std::min(begin(group + 1), task.columns); }
  double largest(int64_t row, int64_t group) const {
    double size = 0;
    for (int64_t c = begin(group); c < end(group); ++c)
      size = std::max(size, fabs(value_at(row, c)));
    return size;
  }

  /* The signs of a weight: bit i is 1 where plane i has +. */
  int64_t signs(const Solution& s, int64_t row, int64_t column) const {
    int64_t all = 0;
    for (size_t i = 0; i < s.planes.size(); ++i) {
      all |= int64_t{s.planes[i][row * words + column / 32] >> (column % 32) & 1} << i;
    }
    return all;
  }

  /* What these signs leave of a weight, over `size`. */
  double rest(const Solution& s, int64_t row, int64_t column, int64_t signs, double size) const {
    double rest = value_at(row, column) / size;
    for (int64_t i = 0; i < param_count(); ++i) {
      const bool plus = i < task.offset || (signs >> (i - task.offset) & 1);
      rest -= (plus ? 1 : -1) * param(s, i, row, column / task.group_size) / size;
    }
    return rest;
  }

  /* Of a group of a row, relative to its energy: the squared error, and the least that one bit
   * without an offset can have; weighted as the solver does. */
  double error_of(const Solution& s, int64_t row, int64_t group, double* one_bit = nullptr) const {
    double error = 0, energy = 0, mean = 0, sum = 0, mass = 0;
    const double size = largest(row, group);
    if (size == 0) return 0;
    for (int64_t c = begin(group); c < end(group); ++c) {
      mean += importance[row * task.columns + c] / static_cast<double>(end(group) - begin(group));
    }
    for (int64_t c = begin(group); c < end(group); ++c) {
      const bool plain = !task.weighted || mean == 0;
      const double h = plain ? 1 : importance[row * task.columns + c] / mean + .1;
      const double value = value_at(row, c) / size, left = rest(s, row, c, signs(s, row, c), size);
      energy += h * value * value;
      error += h * left * left;
      sum += h * fabs(value);
      mass += h;
    }
    if (one_bit != nullptr) *one_bit = 1 - sum * sum / mass / energy;
    return error / energy;
  }

  /* Whether params are finite, in order, and not negative; those of float16 where it has them. */
  void check_params(const Solution& s, int64_t row, int64_t group) const {
    for (int64_t i = 0; i < param_count(); ++i) {
      const double here = param(s, i, row, group);
      expect(!isnan(here), "a param is NaN");
      expect(isfinite(here) || !fits(row, group), "a param is not finite");
      if (i < task.offset) continue;
      expect(here >= 0, "a scale is negative");
      expect(i == task.offset || here <= param(s, i - 1, row, group), "scales rise");
    }
  }

  void check_error(const Solution& s, const Solution* worse, int64_t row, int64_t group) const {
    double one_bit = 0;
    const double error = error_of(s, row, group, &one_bit);
    const std::string what = "error " + std::to_string(error) + " of row " + std::to_string(row);
    expect(error <= one_bit * (1 + 1e-6) + 1e-6, what);
    if (worse == nullptr) return;
    const double before = error_of(*worse, row, group);
    expect(error <= before * (1 + 1e-6) + 1e-9, what + ", the start's: " + std::to_string(before));
  }

  void check_signs(const Solution& s, int64_t row, int64_t group) const {
    const double size = largest(row, group);
    for (int64_t c = begin(group); c < end(group) && size > 0; ++c) {
      double least = INFINITY;
      for (int64_t all = 0; all < 1 << task.bits; ++all) {
        least = std::min(least, fabs(rest(s, row, c, all, size)));
      }
      const double left = fabs(rest(s, row, c, signs(s, row, c), size));
      expect(left <= least + 1e-9, "signs are not the nearest ones");
    }
  }

  void check(const Solution& s, const Solution* worse) const {
    for (int64_t row = 0; row < task.rows; ++row) {
      for (int64_t group = 0; group < groups; ++group) {
        check_params(s, row, group);
        if (!fits(row, group)) continue;
        check_error(s, worse, row, group);
        check_signs(s, row, group);
      }
    }
    for (const auto& plane : s.planes) {
      for (int64_t i = words - 1; task.columns % 32 && i < task.rows * words; i += words) {
        expect(plane[i] >> (task.columns % 32) == 0, "padding is not 0");
      }
    }
  }

  /* Float16 has neither very large nor very small scales. */
  bool fits(int64_t row, int64_t group) const {
    const double size = largest(row, group);
    return task.scale_type != BCQ_FLOAT16 || size == 0 || (size < 1e4 && size > 1e-3);
  }
};

void test_solve(const Task& task, int kind, bcq_parallel parallel) {
  context = name(task) + ", kind " + std::to_string(kind);
  Problem problem(task, kind);
  const Search search(task, kind % 2 ? 8 : 16);
  const Solution cold = problem.solve(&search.search, nullptr, alone());
  problem.check(cold, nullptr);
  expect(problem.solve(&search.search, nullptr, parallel) == cold, "bits by threads");
  const Solution warm = problem.solve(nullptr, &cold.params, parallel);
  problem.check(warm, &cold);
  const Solution again = problem.solve(&search.search, &warm.params, alone());
  problem.check(again, &warm);
  // Params of any sign and order, and those that are of no use at all.
  std::vector<double> odd = warm.params;
  for (size_t i = 0; i < odd.size(); ++i) odd[i] = i % 3 == 0 ? 0 : i % 3 == 1 ? -odd[i] : 1e300;
  problem.solve(nullptr, &odd, alone());
}

void test_bad_search() {
  context = "bad search";
  const Task task = {2, 40, 40, 3, 0, BCQ_FLOAT32, 0, false};
  Problem problem(task);
  const Search good(task, 8);
  Solution s = problem.empty();
  const Solution untouched = s;
  const auto refuses = [&](const char* what, auto change) {
    bcq_search search = good.search;
    change(search);
    expect(bcq_solve(&problem.problem, &search, nullptr, s.params.data(),
                     Problem::pointers(s).data(), alone()) == BCQ_BAD_ARGUMENT,
           what);
  };
  refuses("rounds", [](bcq_search& w) { w.rounds = 0; });
  refuses("batches", [](bcq_search& w) { w.batches = -1; });
  refuses("elites", [](bcq_search& w) { w.elites = 7; });
  refuses("polished", [](bcq_search& w) { w.polished = 9; });
  refuses("starts", [](bcq_search& w) { w.starts[3] = nullptr; });
  refuses("noise", [](bcq_search& w) { w.noise[3] = nullptr; });
  refuses("growth", [](bcq_search& w) { w.growth[3] = nullptr; });
  expect(s == untouched, "nothing is written");
}

void test_bad_arguments() {
  context = "bad arguments";
  const Task task = {2, 40, 40, 3, 0, BCQ_FLOAT32, 0, false};
  Problem good(task);
  const Search search(task, 8);
  Solution s = good.empty();
  const Solution untouched = s;
  const auto refuses = [&](const char* what, auto change) {
    bcq_problem p = good.problem;
    change(p);
    expect(bcq_solve(&p, &search.search, nullptr, s.params.data(), Problem::pointers(s).data(),
                     alone()) == BCQ_BAD_ARGUMENT,
           what);
  };
  refuses("rows", [](bcq_problem& p) { p.rows = 0; });
  refuses("many rows", [](bcq_problem& p) { p.rows = int64_t{1} << 60; });
  refuses("columns", [](bcq_problem& p) { p.columns = -1; });
  refuses("group_size", [](bcq_problem& p) { p.group_size = 20; });
  refuses("no group_size", [](bcq_problem& p) { p.group_size = 0; });
  refuses("bits", [](bcq_problem& p) { p.bits = 9; });
  refuses("no bits", [](bcq_problem& p) { p.bits = 0; });
  refuses("offset", [](bcq_problem& p) { p.offset = 2; });
  refuses("scale_type", [](bcq_problem& p) { p.scale_type = BCQ_BFLOAT16; });
  refuses("values", [](bcq_problem& p) { p.values = nullptr; });
  const auto solve = [&](const bcq_problem* p, double* params, uint32_t* const* planes) {
    return bcq_solve(p, &search.search, nullptr, params, planes, alone());
  };
  uint32_t* const missing[] = {s.planes[0].data(), nullptr, s.planes[2].data()};
  expect(solve(nullptr, s.params.data(), missing) == BCQ_BAD_ARGUMENT, "problem");
  expect(solve(&good.problem, s.params.data(), missing) == BCQ_BAD_ARGUMENT, "plane");
  expect(solve(&good.problem, s.params.data(), nullptr) == BCQ_BAD_ARGUMENT, "planes");
  expect(solve(&good.problem, nullptr, Problem::pointers(s).data()) == BCQ_BAD_ARGUMENT, "params");
  expect(bcq_solve(&good.problem, nullptr, nullptr, s.params.data(), Problem::pointers(s).data(),
                   alone()) == BCQ_BAD_ARGUMENT,
         "neither search nor start");
  expect(s == untouched, "nothing is written");
}

/* Callers must not hand these over; nothing but numbers may come to harm. */
void test_not_finite() {
  for (const double wrong : {double{NAN}, double{INFINITY}, -1e308}) {
    for (int32_t bits : {1, 2, 3, 5}) {
      for (int32_t offset : {0, 1}) {
        const Task task = {2, 40, 32, bits, offset, BCQ_FLOAT16, 1, true};
        context = name(task) + ", with " + std::to_string(wrong);
        const Search search(task, 8);
        for (bool in_values : {true, false}) {
          Problem problem(task, 0);
          auto& numbers = in_values ? problem.values : problem.importance;
          numbers[3] = wrong;
          std::fill(numbers.begin() + 40, numbers.end(), wrong);
          std::vector<double> params = problem.solve(&search.search, nullptr, alone()).params;
          params[0] = wrong;
          problem.solve(nullptr, &params, alone());
        }
      }
    }
  }
}

}  // namespace

int main() {
  int turn = 0;
  for (int64_t columns : {1, 7, 8, 9, 16, 17, 31, 33, 64, 100, 129, 1025}) {
    for (int32_t bits : {1, 2, 3, 4}) {
      ++turn;
      const int64_t group_size = columns > 32 && turn % 2 ? 32 : columns;
      const int32_t scale_type = turn % 3 ? BCQ_FLOAT16 : BCQ_FLOAT32;
      test_solve({columns < 1000 ? 8 : 2, columns, group_size, bits, turn / 2 % 2, scale_type,
                  turn / 4 % 2, turn / 8 % 2 == 0},
                 turn, scattered());
    }
  }
  for (int32_t bits : {5, 6, 8}) {
    for (int32_t offset : {0, 1}) {
      test_solve({2, 45, 32, bits, offset, BCQ_FLOAT32, offset, offset == 0}, bits, scattered());
    }
  }
  test_bad_search();
  test_bad_arguments();
  test_not_finite();
  return finish();
}
