#include "runtime/graph/gemm.h"

#include <algorithm>
#include <cstring>

#include "runtime/graph/numbers_of.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

namespace {

constexpr int64_t kRows = 4, kColumns = 16; /* of a tile, which stays in registers */
constexpr int64_t kDepth = 256;             /* of a block: with kColumns it fits the first cache */
constexpr int64_t kBlockRows = 32;
constexpr int64_t kFewRows = 4; /* below these nothing is packed */

typedef float Lanes __attribute__((vector_size(32)));
constexpr int64_t kLanes = 8;

inline __attribute__((always_inline)) Lanes load(const float* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof(lanes));
  return lanes;
}

/* sums [kRows, 8 kVectors] = a [depth, kRows] transposed times b [depth, kColumns]. */
template <int kVectors>
inline __attribute__((always_inline)) void tile(int64_t depth, const float* a, const float* b,
                                                float* sums) {
  Lanes acc[kRows][kVectors] = {};
  for (int64_t p = 0; p < depth; ++p) {
    for (int v = 0; v < kVectors; ++v) {
      const Lanes of_b = load(b + p * kColumns + v * kLanes);
      for (int i = 0; i < kRows; ++i) acc[i][v] += a[p * kRows + i] * of_b;
    }
  }
  for (int i = 0; i < kRows; ++i) std::memcpy(sums + i * kColumns, acc[i], sizeof(acc[i]));
}

using Tile = void (*)(int64_t depth, const float* a, const float* b, float* sums);

#if defined(__x86_64__)
void half_tiles(int64_t depth, const float* a, const float* b, float* sums) {
  tile<1>(depth, a, b, sums); /* twice, as there are few registers */
  tile<1>(depth, a, b + kLanes, sums + kLanes);
}

__attribute__((target("avx2"))) void whole_tile(int64_t depth, const float* a, const float* b,
                                                float* sums) {
  tile<2>(depth, a, b, sums);
}

/* Without fused additions, so that both give the same bits. */
Tile best_tile() { return __builtin_cpu_supports("avx2") ? whole_tile : half_tiles; }
#else
Tile best_tile() { return tile<2>; }
#endif

/* Columns of b in panels of kColumns, one after the other: [panels][k][kColumns], 0 where there is
 * no column. */
void pack_panels(const Factor& b, int64_t k, int64_t n, int64_t begin, int64_t end, float* to) {
  for (int64_t panel = begin; panel < end; ++panel) {
    const int64_t first = panel * kColumns, count = std::min(kColumns, n - first);
    float* at = to + panel * k * kColumns;
    for (int64_t p = 0; p < k; ++p, at += kColumns) {
      const float* const from = b.data + p * b.row + first * b.column;
      if (b.column == 1 && count == kColumns) {
        std::memcpy(at, from, kColumns * sizeof(float));
        continue;
      }
      for (int64_t j = 0; j < kColumns; ++j) at[j] = j < count ? from[j * b.column] : 0;
    }
  }
}

/* Rows of a in groups of kRows: [groups][depth][kRows], 0 where there is no row. */
void pack_rows(const Factor& a, int64_t rows, int64_t depth, const float* from, float* to) {
  for (int64_t first = 0; first < rows; first += kRows) {
    const int64_t count = std::min(kRows, rows - first);
    for (int64_t p = 0; p < depth; ++p) {
      for (int64_t i = 0; i < kRows; ++i) {
        *to++ = i < count ? from[(first + i) * a.row + p * a.column] : 0;
      }
    }
  }
}

/* A product whose b is packed. */
struct Packed {
  int64_t k, n;
  const Factor& a;
  const float* panels;
  float* c;
  int64_t stride;
  bool adds;
  Tile tile;

  /* Rows from begin to end - 1, at most kBlockRows. */
  void rows(int64_t begin, int64_t end) const {
    alignas(64) float of_a[kBlockRows * kDepth];
    for (int64_t depth = 0; depth < k; depth += kDepth) {
      const int64_t size = std::min(kDepth, k - depth);
      pack_rows(a, end - begin, size, a.data + begin * a.row + depth * a.column, of_a);
      for (int64_t panel = 0; panel * kColumns < n; ++panel) {
        const float* const b = panels + (panel * k + depth) * kColumns;
        for (int64_t i = 0; i < end - begin; i += kRows) {
          alignas(64) float sums[kRows * kColumns];
          tile(size, of_a + i * size, b, sums);
          put(sums, begin + i, std::min(kRows, end - begin - i), panel * kColumns,
              adds || depth > 0);
        }
      }
    }
  }

  void put(const float* sums, int64_t row, int64_t rows, int64_t column, bool to_others) const {
    const int64_t columns = std::min(kColumns, n - column);
    for (int64_t i = 0; i < rows; ++i, sums += kColumns) {
      float* const to = c + (row + i) * stride + column;
      for (int64_t j = 0; j < columns; ++j) to[j] = to_others ? to[j] + sums[j] : sums[j];
    }
  }
};

float dot(const float* a, int64_t a_step, const float* b, int64_t count) {
  constexpr int kSums = 16;
  float sums[kSums] = {};
  int64_t p = 0;
  if (a_step == 1) {
    for (; p + kSums <= count; p += kSums) {
      for (int i = 0; i < kSums; ++i) sums[i] += a[p + i] * b[p + i];
    }
  }
  for (; p < count; ++p) sums[p % kSums] += a[p * a_step] * b[p];
  for (int half = kSums / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) sums[i] += sums[i + half];
  }
  return sums[0];
}

/* One row of c, straight from b. */
void one_row(int64_t k, int64_t n, const float* a, int64_t a_step, const Factor& b, float* c,
             bool adds) {
  if (b.row == 1 && b.column != 1) {
    for (int64_t j = 0; j < n; ++j) {
      const float sum = dot(a, a_step, b.data + j * b.column, k);
      c[j] = adds ? c[j] + sum : sum;
    }
    return;
  }
  if (!adds) std::fill_n(c, n, 0.0f);
  for (int64_t p = 0; p < k; ++p) {
    const float factor = a[p * a_step];
    const float* const row = b.data + p * b.row;
    if (b.column == 1) {
      for (int64_t j = 0; j < n; ++j) c[j] += factor * row[j];
    } else {
      for (int64_t j = 0; j < n; ++j) c[j] += factor * row[j * b.column];
    }
  }
}

template <class T>
FactorOf<T> of_type(const AnyFactor& any) {
  return {reinterpret_cast<const T*>(any.data), any.row, any.column};
}

template <class T>
void one_by_one(int64_t m, int64_t k, int64_t n, const FactorOf<T>& a, const FactorOf<T>& b, T* c) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      T sum = 0;
      for (int64_t p = 0; p < k; ++p) {
        sum = added(sum,
                    multiplied(a.data[i * a.row + p * a.column], b.data[p * b.row + j * b.column]));
      }
      c[i * n + j] = sum;
    }
  }
}

}  // namespace

void multiply(Context& context, int64_t m, int64_t k, int64_t n, const Factor& a, const Factor& b,
              float* c, int64_t stride, bool adds) {
  if (m == 0 || n == 0) return;
  context.charge(m, k, n);
  const double nanoseconds = 0.1 * static_cast<double>(k) * static_cast<double>(n); /* of a row */
  if (m < kFewRows || k == 0) {
    for (int64_t i = 0; i < m; ++i) {
      one_row(k, n, a.data + i * a.row, a.column, b, c + i * stride, adds);
    }
    return;
  }
  const int64_t panels = (n + kColumns - 1) / kColumns;
  Scratch<float> packed(context, panels * kColumns * k);
  bcq::run(context.parallel, panels, static_cast<double>(k) * kColumns,
           [&](int64_t begin, int64_t end) { pack_panels(b, k, n, begin, end, packed.data()); });
  static const Tile best = best_tile();
  const Packed product = {k, n, a, packed.data(), c, stride, adds, best};
  const int64_t blocks = (m + kBlockRows - 1) / kBlockRows;
  bcq::run(context.parallel, blocks, nanoseconds * kBlockRows, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      product.rows(i * kBlockRows, std::min(m, (i + 1) * kBlockRows));
    }
  });
}

void multiply(Context& context, bcq_dtype dtype, int64_t m, int64_t k, int64_t n,
              const AnyFactor& a, const AnyFactor& b, char* c) {
  if (dtype == BCQ_F32) {
    return multiply(context, m, k, n, of_type<float>(a), of_type<float>(b),
                    reinterpret_cast<float*>(c), n);
  }
  context.charge(m, k, n);
  visit(Types<double, int64_t>(), dtype, [&](auto zero) {
    using T = decltype(zero);
    one_by_one<T>(m, k, n, of_type<T>(a), of_type<T>(b), reinterpret_cast<T*>(c));
  });
}

}  // namespace bcq::graph
