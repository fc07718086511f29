/* What the core's tests share: random matrices of binary codes in memory that is exactly as large
 * as they are, so that AddressSanitizer sees a step too far, and their weights in plain loops. */
#ifndef BCQ_TESTS_MATRICES_H_
#define BCQ_TESTS_MATRICES_H_

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <algorithm>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "core/matrix.h"
#include "core/parallel.h"

namespace bcq_test {

inline int failures = 0;
inline std::string context; /* of the checks that follow */
inline std::mt19937 random_bits(0);

inline void expect(bool holds, const std::string& what) {
  if (holds) return;
  ++failures;
  printf("FAILED %s: %s\n", context.c_str(), what.c_str());
}

/* What main returns. */
inline int finish() {
  printf(failures ? "%d failures\n" : "ok\n", failures);
  return failures ? 1 : 0;
}

/* Numbers of a bcq_type. */
struct Numbers {
  bcq_type type;
  std::vector<char> bytes; /* all 0x5a at first */

  Numbers(bcq_type type, int64_t count) : type(type), bytes(count * size(), 0x5a) {}
  int64_t size() const { return type == BCQ_FLOAT32 ? 4 : 2; }
  int64_t count() const { return static_cast<int64_t>(bytes.size()) / size(); }
  void* data() { return bytes.data(); }
  const void* at(int64_t i) const { return bytes.data() + i * size(); }

  float operator[](int64_t i) const {
    uint32_t bits = 0;
    memcpy(&bits, at(i), size());
    if (type == BCQ_FLOAT16) {
      const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
      const float sign = bits >> 15 ? -1.0f : 1.0f;
      if (exponent == 31) return mantissa ? NAN : sign * INFINITY;
      return sign * ldexpf(exponent ? 1024 + mantissa : mantissa, std::max(exponent, 1) - 25);
    }
    if (type == BCQ_BFLOAT16) bits <<= 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
  }

  void set_bits(int64_t i, uint32_t bits) { memcpy(bytes.data() + i * size(), &bits, size()); }
  void set_nan(int64_t i) {
    set_bits(i, type == BCQ_FLOAT32 ? 0x7fc00000 : type == BCQ_FLOAT16 ? 0x7e00 : 0x7fc0);
  }
  void set_inf(int64_t i) {
    set_bits(i, type == BCQ_FLOAT32 ? 0x7f800000 : type == BCQ_FLOAT16 ? 0x7c00 : 0x7f80);
  }

  /* The largest part of a number that rounding to the type takes away. */
  double rounding() const {
    return type == BCQ_FLOAT32 ? 0 : type == BCQ_FLOAT16 ? 0x1p-11 : 0x1p-8;
  }
};

/* Random mantissas; magnitudes from 2^(least exponent) to 2^4 times as much; any sign. */
inline Numbers random_numbers(bcq_type type, int64_t count, int least = -3, bool positive = false) {
  Numbers numbers(type, count);
  const int mantissa = type == BCQ_FLOAT32 ? 23 : type == BCQ_FLOAT16 ? 10 : 7;
  const int bias = type == BCQ_FLOAT16 ? 15 : 127, bits = type == BCQ_FLOAT32 ? 32 : 16;
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t exponent = static_cast<uint32_t>(bias + least) + random_bits() % 4;
    const uint32_t sign = positive ? 0 : random_bits() % 2;
    numbers.set_bits(
        i, sign << (bits - 1) | exponent << mantissa | (random_bits() & ((1u << mantissa) - 1)));
  }
  return numbers;
}

struct Form {
  int64_t rows, columns, group_size;
  std::vector<int64_t> plane_rows;
  bool offset, order;
  bcq_type scale_type;
};

/* One of every kind that is easily got wrong. */
inline std::vector<Form> all_forms() {
  const bcq_type f32 = BCQ_FLOAT32, f16 = BCQ_FLOAT16, bf16 = BCQ_BFLOAT16;
  return {
      {1, 1, 1, {1}, false, false, f32},
      {1, 33, 33, {1, 1}, true, true, f16},
      {130, 1, 1, {130, 129, 1}, true, true, f32},
      {64, 64, 32, {64, 64}, false, false, bf16},
      {65, 130, 64, {65, 65, 65}, true, false, f16},
      {257, 95, 32, {257, 256, 64, 63}, true, true, f16},
      {200, 333, 96, {200, 0, 0}, false, true, f32},
      {17, 1055, 160, std::vector<int64_t>(8, 17), true, false, f16},
      {3, 4129, 4129, {3, 2}, false, false, f16},
      {300, 32, 32, {300, 170, 128, 127, 66, 20, 1}, false, true, bf16},
  };
}

struct RandomMatrix {
  Form form;
  int64_t groups, words;
  std::vector<std::vector<uint32_t>> planes;
  Numbers scales, offset;
  std::vector<int32_t> order, place;
  std::vector<uint32_t> tiles;
  std::vector<float> weights;    /* [rows][columns], of original rows */
  std::vector<float> magnitudes; /* likewise: of the offset and all scales */
  bcq_matrix matrix;

  explicit RandomMatrix(const Form& f)
      : form(f),
        groups((f.columns + f.group_size - 1) / f.group_size),
        words((f.columns + 31) / 32),
        scales(random_numbers(f.scale_type, groups * plane_count() * f.rows, -3, true)),
        offset(random_numbers(f.scale_type, groups * f.rows)) {
    for (int64_t n : f.plane_rows) planes.push_back(random_plane(n));
    for (int64_t r = 0; r < f.rows; ++r) order.push_back(static_cast<int32_t>(r));
    for (size_t i = order.size(); f.order && i > 1; --i) {  // as every library would shuffle
      std::swap(order[i - 1], order[random_bits() % i]);
    }
    place.resize(order.size());
    for (size_t i = 0; i < order.size(); ++i) place[order[i]] = static_cast<int32_t>(i);
    for (int64_t i = 0; i < plane_count(); ++i) {
      for (int64_t r = f.plane_rows[i]; r < f.rows; ++r) {
        for (int64_t g = 0; g < groups; ++g)
          scales.set_bits((g * plane_count() + i) * f.rows + r, 0);
      }
    }
    refresh();
  }
  RandomMatrix(const RandomMatrix&) = delete;

  int64_t plane_count() const { return static_cast<int64_t>(form.plane_rows.size()); }
  int64_t group_of(int64_t column) const { return column / form.group_size; }
  float weight(int64_t row, int64_t column) const { return weights[row * form.columns + column]; }
  float magnitude(int64_t row, int64_t column) const {
    return magnitudes[row * form.columns + column];
  }
  int sign(int64_t plane, int64_t stored, int64_t column) const {
    return planes[plane][stored * words + column / 32] >> (column % 32) & 1 ? 1 : -1;
  }

  std::vector<uint32_t> random_plane(int64_t rows) const {
    std::vector<uint32_t> plane(rows * words);
    for (int64_t i = 0; i < rows * words; ++i) {
      const int64_t left = form.columns - i % words * 32;
      plane[i] = random_bits() & (left < 32 ? (1u << left) - 1 : ~0u);
    }
    return plane;
  }

  /* The words of the planes, one by one where matrix.h says. */
  std::vector<uint32_t> tiled() const {
    std::vector<uint32_t> all;
    for (int64_t first = 0; first < form.rows; first += 64) {
      for (int64_t word = 0; word < words; ++word) {
        for (int64_t i = 0; i < plane_count() && form.plane_rows[i] > first; ++i) {
          for (int64_t r = first; r < first + 64; ++r) {
            all.push_back(r < form.plane_rows[i] ? planes[i][r * words + word] : 0);
          }
        }
      }
    }
    return std::vector<uint32_t>(all); /* in memory without a byte to spare */
  }

  /* The tiles, weights and matrix of the planes. */
  void refresh() {
    const int32_t bits = static_cast<int32_t>(plane_count());
    const int64_t* rows = form.plane_rows.data();
    tiles = tiled();
    weights.resize(form.rows * form.columns);
    magnitudes.resize(form.rows * form.columns);
    for (int64_t r = 0; r < form.rows; ++r) {
      for (int64_t c = 0; c < form.columns; ++c) {
        const int64_t g = group_of(c);
        float weight = form.offset ? offset[g * form.rows + r] : 0, magnitude = fabsf(weight);
        for (int64_t i = 0; i < bits && r < rows[i]; ++i) {
          const float scale = scales[(g * bits + i) * form.rows + r];
          weight += sign(i, r, c) * scale;
          magnitude += scale;
        }
        weights[order[r] * form.columns + c] = weight;
        magnitudes[order[r] * form.columns + c] = magnitude;
      }
    }
    matrix = {form.rows,
              form.columns,
              form.group_size,
              bits,
              static_cast<int32_t>(form.scale_type),
              rows,
              tiles.data(),
              scales.data(),
              form.offset ? offset.data() : nullptr,
              form.order ? order.data() : nullptr,
              form.order ? place.data() : nullptr};
  }

  /* Gradients of the scales [groups][bits][rows], or of the offset [groups][rows], from that of the
   * weights [rows][columns]. */
  std::vector<double> scale_gradient(const std::vector<double>& dweights, bool of_offset) const {
    const int64_t bits = of_offset ? 1 : plane_count();
    std::vector<double> gradient(groups * bits * form.rows);
    for (int64_t i = 0; i < bits; ++i) {
      const int64_t covered = of_offset ? form.rows : form.plane_rows[i];
      for (int64_t r = 0; r < covered; ++r) {
        for (int64_t c = 0; c < form.columns; ++c) {
          const double d = dweights[order[r] * form.columns + c];
          gradient[(group_of(c) * bits + i) * form.rows + r] += of_offset ? d : sign(i, r, c) * d;
        }
      }
    }
    return gradient;
  }
};

/* Calls refuses(what, matrix) with each rule of matrix.h broken in turn. */
template <class Refuses>
void break_matrix(const bcq_matrix& good, const Refuses& refuses) {
  const int64_t rows = good.rows;
  const int64_t rising[] = {rows, rows + 1}, short_rows[] = {rows - 1, rows - 1};
  const int64_t negative[] = {rows, -1};
  const auto with = [&](const char* what, auto change) {
    bcq_matrix m = good;
    change(m);
    refuses(what, m);
  };
  with("rows", [](bcq_matrix& m) { m.rows = 0; });
  with("columns", [](bcq_matrix& m) { m.columns = 0; });
  with("negative columns", [](bcq_matrix& m) { m.columns = -1; });
  with("many columns", [](bcq_matrix& m) { m.columns = m.group_size = INT64_MAX; });
  with("bits", [](bcq_matrix& m) { m.bits = 9; });
  with("group_size", [](bcq_matrix& m) { m.group_size = 48; });
  with("no group_size", [](bcq_matrix& m) { m.group_size = 0; });
  with("scale_type", [](bcq_matrix& m) { m.scale_type = 3; });
  with("rising planes", [&](bcq_matrix& m) { m.plane_rows = rising; });
  with("short planes", [&](bcq_matrix& m) { m.plane_rows = short_rows; });
  with("negative planes", [&](bcq_matrix& m) { m.plane_rows = negative; });
  with("no planes", [](bcq_matrix& m) { m.plane_rows = nullptr; });
  with("tiles", [](bcq_matrix& m) { m.tiles = nullptr; });
  with("scales", [](bcq_matrix& m) { m.scales = nullptr; });
}

inline std::string name(const Form& f) {
  std::string planes;
  for (int64_t n : f.plane_rows) planes += " " + std::to_string(n);
  return "[" + std::to_string(f.rows) + ", " + std::to_string(f.columns) + "], groups of " +
         std::to_string(f.group_size) + ", planes" + planes + (f.offset ? ", offset" : "") +
         (f.order ? ", row_order" : "") + ", scale type " + std::to_string(f.scale_type);
}

/* |got - expected| <= bound, and the rounding of the type, where a bound goes with each number. */
template <class Got>
void expect_near(const Got& got, const std::vector<double>& expected,
                 const std::vector<double>& bounds, double rounding, const std::string& what) {
  for (size_t i = 0; i < expected.size(); ++i) {
    const double allowed = bounds[i] + rounding * fabs(expected[i]);
    if (fabs(got[static_cast<int64_t>(i)] - expected[i]) <= allowed) continue;
    return expect(false, what + " " + std::to_string(i) + " is " +
                             std::to_string(got[static_cast<int64_t>(i)]) + ", not " +
                             std::to_string(expected[i]));
  }
}

/* Uneven ranges, the last first, each in a thread of its own. */
inline void run_scattered(void*, int64_t items, int64_t, bcq_task task, void* argument) {
  std::vector<std::thread> threads;
  for (int64_t end = items, step = 1; end > 0; end -= step, step = step % 5 + 1 + items / 8) {
    threads.emplace_back(task, argument, std::max<int64_t>(0, end - step), end);
  }
  for (std::thread& thread : threads) thread.join();
}

inline bcq_parallel alone() { return {nullptr, nullptr, 1}; }
inline bcq_parallel scattered() { return {run_scattered, nullptr, 7}; }

}  // namespace bcq_test

#endif
