#include "core/solver/row.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace bcq::solver {
namespace {

constexpr double kImportanceFloor = 0.1;  // part of the mean that is added to every importance
constexpr int kDigits = 4, kBuckets = 256;

int64_t round_up(int64_t length) { return (length + 7) / 8 * 8; }

/* Entries of a level of the tree, with its padding. */
int64_t level_size(int64_t entries) {
  return std::max<int64_t>(round_up(entries) + kTreeFan, kTreeRoot);
}

int64_t tree_size(int64_t length) {
  int64_t size = level_size(length);
  for (int64_t entries = length; entries > kTreeRoot;) {
    entries = round_up(entries) / kTreeFan;
    size += level_size(entries);
  }
  return size;
}

double* allocate(int64_t count) {
  return static_cast<double*>(std::aligned_alloc(64, (count * sizeof(double) + 63) / 64 * 64));
}

template <typename T>
double largest_magnitude(const T* source, int64_t length) {
  constexpr int kSides = 8;  // side by side, which the compiler makes vectors of
  T largest[kSides] = {};
  int64_t i = 0;
  for (; i + kSides <= length; i += kSides) {
    for (int j = 0; j < kSides; ++j) {
      const T magnitude = std::fabs(source[i + j]);
      largest[j] = magnitude > largest[j] ? magnitude : largest[j];
    }
  }
  for (; i < length; ++i) largest[0] = std::max(largest[0], std::fabs(source[i]));
  return *std::max_element(largest, largest + kSides);
}

/* Copies values, scaled so that the largest magnitude is from 0.5 to 1; returns the exponent. */
template <typename T>
int load_values(const T* source, int64_t length, double* values) {
  int exponent;
  std::frexp(largest_magnitude(source, length), &exponent);
  // Two factors, since 2^-exponent alone can overflow.
  const double first = std::ldexp(1.0, -exponent / 2);
  const double second = std::ldexp(1.0, -exponent - -exponent / 2);
  for (int64_t i = 0; i < length; ++i) values[i] = source[i] * first * second;
  return exponent;
}

/* h / mean(h) + 0.1, or 1 where all are zero. */
template <typename T>
void load_importance(const T* source, int64_t length, double* weights) {
  // Divided by the largest first: sums of huge importances must not overflow.
  const double largest = *std::max_element(source, source + length);
  double sum = 0;
  for (int64_t i = 0; i < length; ++i) sum += weights[i] = largest > 0 ? source[i] / largest : 1;
  if (!(largest > 0)) return;
  const double mean = sum / length;
  for (int64_t i = 0; i < length; ++i) weights[i] = weights[i] / mean + kImportanceFloor;
}

/* Builds the tree over `sorted`, and behind it. */
void grow_tree(Row* row) {
  double* level = row->sorted;
  int64_t entries = row->length;
  for (row->tree_levels = 0;; ++row->tree_levels) {
    const int64_t size = level_size(entries);
    std::fill(level + entries, level + size, std::numeric_limits<double>::infinity());
    row->tree[row->tree_levels] = level;
    if (entries <= kTreeRoot) break;
    double* next = level + size;
    entries = round_up(entries) / kTreeFan;
    for (int64_t i = 0; i < entries; ++i) next[i] = level[i * kTreeFan + kTreeFan - 1];
    level = next;
  }
  ++row->tree_levels;
}

/* Bits of a float as an integer of the same order. */
uint32_t ordered_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

/* Sorts keys by their upper halves; keys holds as many again as room to work in. */
void radix_sort(uint64_t* keys, int64_t length) {
  int64_t counts[kDigits][kBuckets] = {};
  for (int64_t i = 0; i < length; ++i) {
    for (int d = 0; d < kDigits; ++d) ++counts[d][keys[i] >> (32 + 8 * d) & (kBuckets - 1)];
  }
  uint64_t *from = keys, *to = keys + length;
  for (int d = 0; d < kDigits; ++d) {
    int64_t place = 0;
    for (int64_t& count : counts[d]) {
      const int64_t begin = place;
      place += count;
      count = begin;
    }
    for (int64_t i = 0; i < length; ++i) {
      to[counts[d][from[i] >> (32 + 8 * d) & (kBuckets - 1)]++] = from[i];
    }
    std::swap(from, to);
  }
}

/* Fills in sizes, and weights where there are any, in the order of the keys; false if sizes do not
 * ascend. */
bool take_in_order(bool offset, Row* row) {
  bool ascending = true;
  double before = -std::numeric_limits<double>::infinity();
  for (int64_t i = 0; i < row->length; ++i) {
    const int64_t from = row->keys[i] & 0xffffffffu;
    const double size = offset ? row->values[from] : std::fabs(row->values[from]);
    ascending &= before <= size;
    before = row->sorted[i] = size;
    if (row->masses != nullptr) row->masses[i + 1] = row->weights[from];
  }
  return ascending;
}

/* Doubles that are one float have been left in any order. */
void sort_ties(bool offset, Row* row) {
  const auto less = [&](uint64_t a, uint64_t b) {
    const double x = row->values[a & 0xffffffffu], y = row->values[b & 0xffffffffu];
    return offset ? x < y : std::fabs(x) < std::fabs(y);
  };
  uint64_t* end = row->keys + row->length;
  for (uint64_t *begin = row->keys, *next; begin < end; begin = next) {
    next = begin + 1;
    while (next < end && *next >> 32 == *begin >> 32) ++next;
    std::sort(begin, next, less);
  }
}

/* Running sums, and where there are weights, from those in `masses`, running masses. */
void sum_up(Row* row) {
  const int64_t length = row->length;
  row->sums[0] = 0;
  if (row->masses != nullptr) row->masses[0] = 0;
  for (int64_t i = 0; i < length; ++i) {
    const double weight = row->masses == nullptr ? 1 : row->masses[i + 1];
    row->sums[i + 1] = row->sums[i] + weight * row->sorted[i];
    if (row->masses != nullptr) row->masses[i + 1] += row->masses[i];
  }
  for (double* sums : {row->sums, row->masses}) {
    if (sums != nullptr) std::fill(sums + length + 1, sums + length + 1 + kTreeFan, sums[length]);
  }
}

}  // namespace

bool allocate_row(int64_t length, bool weighted, Row* row) {
  *row = Row();
  row->values = allocate(round_up(length));
  row->sorted = allocate(tree_size(length));
  row->sums = allocate(length + 1 + kTreeFan);
  row->keys = static_cast<uint64_t*>(std::malloc(2 * length * sizeof(uint64_t)));
  if (weighted) {
    row->weights = allocate(round_up(length));
    row->masses = allocate(length + 1 + kTreeFan);
    if (row->weights == nullptr || row->masses == nullptr) return false;
  }
  return row->values && row->sorted && row->sums && row->keys;
}

void free_row(Row* row) {
  for (double* array : {row->values, row->weights, row->sorted, row->sums, row->masses}) {
    std::free(array);
  }
  std::free(row->keys);
}

void load_row(const bcq_problem& problem, int64_t row, int64_t begin, int64_t end, Row* out) {
  const int64_t at = row * problem.columns + begin, length = end - begin;
  const double* doubles = static_cast<const double*>(problem.values);
  const float* floats = static_cast<const float*>(problem.values);
  out->length = length;
  out->exponent = problem.is_double ? load_values(doubles + at, length, out->values)
                                    : load_values(floats + at, length, out->values);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  std::fill(out->values + length, out->values + round_up(length), nan);
  if (out->weights == nullptr) return;
  if (problem.is_double) {
    load_importance(static_cast<const double*>(problem.importance) + at, length, out->weights);
  } else {
    load_importance(static_cast<const float*>(problem.importance) + at, length, out->weights);
  }
  std::fill(out->weights + length, out->weights + round_up(length), 0.0);
}

void sort_row(bool offset, Row* row) {
  const int64_t length = row->length;
  uint64_t* keys = row->keys;
  for (int64_t i = 0; i < length; ++i) {
    const double value = offset ? row->values[i] : std::fabs(row->values[i]);
    keys[i] = uint64_t{ordered_bits(static_cast<float>(value))} << 32 | static_cast<uint64_t>(i);
  }
  radix_sort(keys, length);
  if (!take_in_order(offset, row)) {
    sort_ties(offset, row);
    take_in_order(offset, row);
  }
  sum_up(row);
  grow_tree(row);
}

double round_param(double param, int exponent, int32_t scale_type) {
  const double stored = std::ldexp(param, exponent);
  if (scale_type == BCQ_FLOAT32) {
    const double largest = std::numeric_limits<float>::max();
    if (std::fabs(stored) > largest * (1 + 0x1p-25)) return std::copysign(INFINITY, stored);
    return std::ldexp(static_cast<double>(static_cast<float>(stored)), -exponent);
  }
  // Steps of 2^-mantissa of the power of two below, of that of the smallest normal one at least.
  const int mantissa = scale_type == BCQ_E5M4 ? 4 : 10;
  int power;
  std::frexp(stored, &power);
  const int step = std::max(power - 1, -14) - mantissa;
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(stored, -step)), step);
  const double largest = std::ldexp(2 - std::ldexp(1, -mantissa), 15);
  if (std::fabs(rounded) > largest) return std::copysign(INFINITY, stored);
  return std::ldexp(rounded, -exponent);
}

}  // namespace bcq::solver
