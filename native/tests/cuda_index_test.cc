/* The CUDA kernels, run thread by thread on the CPU (cuda_emulator.h), against plain loops in
 * float64; and the index arithmetic on its own. */
#include <math.h>
#include <stdio.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "core/tile.h"
#include "cuda/gather.cu"
#include "cuda/gradients.cu"
#include "cuda/product.cu"

namespace {

using bcq_cuda::emulator::Order;

int failures = 0;
std::string context;

void Expect(bool holds, const std::string& what) {
  if (holds) return;
  ++failures;
  printf("FAILED %s: %s\n", context.c_str(), what.c_str());
}

struct Shape {
  int64_t rows, columns, group_size;
  std::vector<int64_t> plane_rows;
  bool offset, order;
  bcq_type scale_type;
};

std::string Name(const Shape& s) {
  std::string planes;
  for (int64_t n : s.plane_rows) planes += " " + std::to_string(n);
  return "[" + std::to_string(s.rows) + ", " + std::to_string(s.columns) + "], groups of " +
         std::to_string(s.group_size) + ", planes" + planes + (s.offset ? ", offset" : "") +
         (s.order ? ", row_order" : "") + ", scale type " + std::to_string(s.scale_type);
}

/* Numbers of a bcq_type in memory that is exactly as large, for AddressSanitizer. */
struct Numbers {
  bcq_type type;
  std::vector<float> wide;
  std::vector<uint16_t> narrow;

  Numbers(bcq_type type, int64_t count) : type(type) {
    if (type == BCQ_FLOAT32) {
      wide.assign(static_cast<size_t>(count), NAN);
    } else {
      narrow.assign(static_cast<size_t>(count), 0x7fff);
    }
  }
  void* data() { return type == BCQ_FLOAT32 ? static_cast<void*>(wide.data()) : narrow.data(); }
  float at(int64_t i) { return bcq_cuda::load_as_float(data(), type, i); }
  void set(int64_t i, float value) { bcq_cuda::store_as(data(), type, i, value); }
};

/* A random matrix of a shape: codes for the kernels, weights for the reference. */
struct Random {
  Shape shape;
  int64_t groups, words;
  std::vector<std::vector<uint32_t>> planes;
  Numbers scales, offset;
  std::vector<int32_t> order, place;
  std::unique_ptr<bcq_cuda::Words4[]> tiles;
  std::vector<float> weights; /* of stored rows */
  bcq_matrix matrix;

  Random(const Shape& s, std::mt19937& random)
      : shape(s),
        groups((s.columns + s.group_size - 1) / s.group_size),
        words((s.columns + 31) / 32),
        scales(s.scale_type, groups * bits() * s.rows),
        offset(s.scale_type, groups * s.rows) {
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < bits(); ++i) {
      std::vector<uint32_t> plane(static_cast<size_t>(shape.plane_rows[i] * words));
      for (int64_t k = 0; k < static_cast<int64_t>(plane.size()); ++k) {
        const int64_t left = s.columns - k % words * 32;
        plane[k] = random() & (left < 32 ? (1u << left) - 1 : ~0u);
      }
      planes.push_back(plane);
      for (int64_t g = 0; g < groups; ++g) {
        for (int64_t r = 0; r < s.rows; ++r) {
          const bool covers = r < shape.plane_rows[i];
          scales.set((g * bits() + i) * s.rows + r,
                     covers ? fabs(normal(random)) / static_cast<float>(1 << i) : 0.0f);
        }
      }
    }
    for (int64_t k = 0; k < groups * s.rows; ++k) offset.set(k, normal(random));
    for (int64_t r = 0; r < s.rows; ++r) order.push_back(static_cast<int32_t>(r));
    std::shuffle(order.begin(), order.end(), random);
    place.resize(order.size());
    for (size_t k = 0; k < order.size(); ++k) place[order[k]] = static_cast<int32_t>(k);
    SetTiles();
    SetWeights();
    matrix = {s.rows, s.columns, s.group_size, static_cast<int32_t>(bits()),
              static_cast<int32_t>(s.scale_type), shape.plane_rows.data(),
              reinterpret_cast<uint32_t*>(tiles.get()), scales.data(),
              s.offset ? offset.data() : nullptr, s.order ? order.data() : nullptr,
              s.order ? place.data() : nullptr};
  }

  int64_t bits() const { return static_cast<int64_t>(shape.plane_rows.size()); }
  int64_t original(int64_t row) const { return shape.order ? order[row] : row; }

  void SetTiles() {
    std::vector<const uint32_t*> pointers;
    for (const auto& plane : planes) pointers.push_back(plane.data());
    const int64_t count = bcq_tile_words(shape.rows, shape.columns, static_cast<int32_t>(bits()),
                                         shape.plane_rows.data());
    tiles.reset(new bcq_cuda::Words4[static_cast<size_t>(count / 4)]);
    bcq_tile(shape.rows, shape.columns, static_cast<int32_t>(bits()), shape.plane_rows.data(),
             pointers.data(), reinterpret_cast<uint32_t*>(tiles.get()));
  }

  bool sign(int64_t plane, int64_t row, int64_t column) const {
    return planes[plane][row * words + column / 32] >> (column % 32) & 1;
  }

  void SetWeights() {
    for (int64_t r = 0; r < shape.rows; ++r) {
      for (int64_t c = 0; c < shape.columns; ++c) {
        const int64_t g = c / shape.group_size;
        float weight = shape.offset ? 0.0f + offset.at(g * shape.rows + r) : 0.0f;
        for (int64_t i = 0; i < bits() && r < shape.plane_rows[i]; ++i) {
          const float scale = scales.at((g * bits() + i) * shape.rows + r);
          weight += sign(i, r, c) ? scale : -scale;
        }
        weights.push_back(weight);
      }
    }
  }

  float weight(int64_t row, int64_t column) const { return weights[row * shape.columns + column]; }
};

Numbers Normal(bcq_type type, int64_t count, std::mt19937& random) {
  Numbers numbers(type, count);
  std::normal_distribution<float> normal;
  for (int64_t i = 0; i < count; ++i) numbers.set(i, normal(random));
  return numbers;
}

/* Root of the sum of squares of the differences, relative to that of `expected`. */
double RelativeError(Numbers& got, const std::vector<double>& expected) {
  double error = 0, size = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double difference = got.at(static_cast<int64_t>(i)) - expected[i];
    error += difference * difference;
    size += expected[i] * expected[i];
  }
  return size > 0 ? sqrt(error / size) : sqrt(error);
}

/* What rounding to the type adds to an error bound. */
double TypeError(bcq_type type) {
  return type == BCQ_FLOAT32 ? 0 : type == BCQ_FLOAT16 ? 5e-4 : 4e-3;
}

Numbers Multiply(Random& w, bcq_precision precision, Numbers& x, int64_t first, int64_t batch) {
  const int64_t size = x.type == BCQ_FLOAT32 ? 4 : 2;
  const int64_t bytes = bcq_cuda_product_workspace(&w.matrix, precision, batch);
  std::unique_ptr<bcq_cuda::Words4[]> workspace(
      new bcq_cuda::Words4[static_cast<size_t>(bytes + 15) / 16]);
  memset(static_cast<void*>(workspace.get()), 0xcd, static_cast<size_t>(bytes));
  Numbers y(x.type, batch * w.shape.rows);
  const char* rows = static_cast<const char*>(x.data()) + first * w.shape.columns * size;
  const bcq_status status = bcq_cuda_product(&w.matrix, precision, x.type, rows, batch, y.data(),
                                             workspace.get(), nullptr);
  Expect(status == BCQ_OK, "status");
  return y;
}

std::vector<double> Product(const Random& w, Numbers& x, int64_t batch) {
  std::vector<double> y(static_cast<size_t>(batch * w.shape.rows));
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t r = 0; r < w.shape.rows; ++r) {
      double sum = 0;
      for (int64_t c = 0; c < w.shape.columns; ++c) {
        sum += static_cast<double>(w.weight(r, c)) * x.at(b * w.shape.columns + c);
      }
      y[b * w.shape.rows + w.original(r)] = sum;
    }
  }
  return y;
}

void TestProduct(const Shape& shape, bcq_precision precision, bcq_type type, int64_t batch,
                 double bound, Order order) {
  std::mt19937 random(static_cast<uint32_t>(batch));
  context = Name(shape) + ", precision " + std::to_string(precision) + ", type " +
            std::to_string(type) + ", batch " + std::to_string(batch);
  Random w(shape, random);
  Numbers x = Normal(type, batch * shape.columns, random);
  bcq_cuda::emulator::order = order;
  Numbers y = Multiply(w, precision, x, 0, batch);
  const double error = RelativeError(y, Product(w, x, batch));
  Expect(error <= bound + TypeError(type), "relative error " + std::to_string(error * 1e6) + "e-6");
}

/* Exact products: right, and the same bits when the rows come in batches of other sizes, which
 * other kernels take, with the threads in another order. */
void TestExact(const Shape& shape) {
  std::mt19937 random(7);
  context = Name(shape) + ", exact";
  Random w(shape, random);
  const int64_t batch = 17;
  Numbers x = Normal(BCQ_FLOAT32, batch * shape.columns, random);
  bcq_cuda::emulator::order = Order::kForward;
  Numbers all = Multiply(w, BCQ_EXACT, x, 0, batch);
  const double error = RelativeError(all, Product(w, x, batch));
  Expect(error <= 6e-7, "relative error " + std::to_string(error * 1e6) + "e-6");
  const Order orders[] = {Order::kBackward, Order::kShuffled};
  int64_t first = 0, turn = 0;
  for (int64_t part : {1, 2, 4, 10}) {
    bcq_cuda::emulator::order = orders[turn++ % 2];
    Numbers some = Multiply(w, BCQ_EXACT, x, first, part);
    Expect(std::equal(some.wide.begin(), some.wide.end(),
                      all.wide.begin() + first * shape.rows),
           "batch " + std::to_string(part) + " has other bits");
    first += part;
  }
}

/* Rows of x with NaN or Inf, huge or tiny ones: what a float32 product gives, in kind. */
void TestExtremes(const Shape& shape, bcq_precision precision, int64_t batch) {
  std::mt19937 random(11);
  context = Name(shape) + ", extremes, precision " + std::to_string(precision) + ", batch " +
            std::to_string(batch);
  Random w(shape, random);
  const float values[] = {INFINITY, -INFINITY, NAN, 3.4028235e38f, 1e-38f, 0.0f};
  for (float value : values) {
    Numbers x = Normal(BCQ_FLOAT32, batch * shape.columns, random);
    const bool whole_row = isfinite(value);
    for (int64_t c = 0; c < shape.columns; ++c) {
      if (whole_row || c == shape.columns - 1) x.set((batch - 1) * shape.columns + c, value);
    }
    Numbers y = Multiply(w, precision, x, 0, batch);
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t r = 0; r < shape.rows; ++r) {
        float sum = 0;
        double size = 0;
        for (int64_t c = 0; c < shape.columns; ++c) {
          const float product = w.weight(r, c) * x.at(b * shape.columns + c);
          sum += product;
          size += fabs(static_cast<double>(w.weight(r, c))) * fabs(x.at(b * shape.columns + c));
        }
        const float got = y.at(b * shape.rows + w.original(r));
        const bool close = precision == BCQ_FAST ? fabs(got - sum) <= .02 * size + 1e-37
                                                 : fabs(got - sum) <= 2e-6 * size + 1e-44;
        /* Where the plain order overflows on the way, a finite result is as right. */
        const bool same = isnan(sum) ? isnan(got) : isinf(sum) ? got == sum : close;
        Expect(same || (whole_row && !isfinite(sum)),
               "value " + std::to_string(value) + ": " + std::to_string(got) + ", not " +
                   std::to_string(sum));
      }
    }
  }
}

void TestGather(const Shape& shape, bcq_type type) {
  std::mt19937 random(3);
  context = Name(shape) + ", gather, type " + std::to_string(type);
  Random w(shape, random);
  const int64_t count = 40, columns = shape.columns;
  std::vector<int64_t> ids(count);
  for (int64_t& id : ids) id = static_cast<int64_t>(random() % shape.rows);
  Numbers out(type, count * columns), expected(type, 1);
  int64_t bad = 5;
  Expect(bcq_cuda_gather(&w.matrix, ids.data(), count, type, out.data(), &bad, nullptr) == BCQ_OK,
         "status");
  int64_t index = 5, id = 5;
  Expect(bcq_cuda_check_ids(ids.data(), &bad, &index, &id, nullptr) == BCQ_OK && index == -1,
         "good ids");
  int64_t differing = 0;
  for (int64_t i = 0; i < count * columns; ++i) {
    const int64_t id = ids[i / columns];
    expected.set(0, w.weight(shape.order ? w.place[id] : id, i % columns));
    differing += out.at(i) != expected.at(0);
  }
  Expect(differing == 0, std::to_string(differing) + " values differ");

  ids[30] = shape.rows, ids[17] = -1;
  bcq_cuda_gather(&w.matrix, ids.data(), count, type, out.data(), &bad, nullptr);
  Expect(bcq_cuda_check_ids(ids.data(), &bad, &index, &id, nullptr) == BCQ_BAD_ID, "bad ids");
  Expect(index == 17 && id == -1, "the first bad id");
  Expect(isnan(out.at(17 * columns)) && isnan(out.at(31 * columns - 1)), "rows of bad ids");
}

struct Gradients {
  std::vector<double> scales, offset;
};

/* d[r, c], a function of the stored row and column: sums with the signs of each plane. */
template <class D>
Gradients SignedSums(const Random& w, const D& d) {
  const Shape& s = w.shape;
  Gradients sums = {std::vector<double>(static_cast<size_t>(w.groups * w.bits() * s.rows)),
                    std::vector<double>(static_cast<size_t>(w.groups * s.rows))};
  for (int64_t r = 0; r < s.rows; ++r) {
    for (int64_t c = 0; c < s.columns; ++c) {
      const int64_t g = c / s.group_size;
      for (int64_t i = 0; i < w.bits() && r < s.plane_rows[i]; ++i) {
        sums.scales[(g * w.bits() + i) * s.rows + r] += w.sign(i, r, c) ? d(r, c) : -d(r, c);
      }
      sums.offset[g * s.rows + r] += d(r, c);
    }
  }
  return sums;
}

void TestGradients(const Shape& shape, bcq_type type, int64_t batch) {
  std::mt19937 random(5);
  context = Name(shape) + ", gradients, type " + std::to_string(type) + ", batch " +
            std::to_string(batch);
  Random w(shape, random);
  const int64_t rows = shape.rows, columns = shape.columns;
  Numbers x = Normal(type, batch * columns, random), dy = Normal(type, batch * rows, random);

  Numbers dx(type, batch * columns);
  Expect(bcq_cuda_product_transposed(&w.matrix, type, dy.data(), batch, dx.data(), nullptr) ==
             BCQ_OK,
         "status");
  std::vector<double> expected(static_cast<size_t>(batch * columns));
  std::vector<double> d(static_cast<size_t>(rows * columns));
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t b = 0; b < batch; ++b) {
      const double factor = dy.at(b * rows + w.original(r));
      for (int64_t c = 0; c < columns; ++c) {
        expected[b * columns + c] += factor * w.weight(r, c);
        d[r * columns + c] += factor * x.at(b * columns + c);
      }
    }
  }
  Expect(RelativeError(dx, expected) <= 1e-6 + TypeError(type), "dx");

  Numbers dscales(BCQ_FLOAT32, w.groups * w.bits() * rows), doffset(BCQ_FLOAT32, w.groups * rows);
  const int64_t bytes = bcq_cuda_product_scale_gradient_workspace(&w.matrix);
  std::vector<float> workspace(static_cast<size_t>(bytes / 4), NAN);
  Expect(bcq_cuda_product_scale_gradient(&w.matrix, type, x.data(), dy.data(), batch,
                                         dscales.wide.data(),
                                         shape.offset ? doffset.wide.data() : nullptr,
                                         workspace.data(), nullptr) == BCQ_OK,
         "status");
  const Gradients sums = SignedSums(w, [&](int64_t r, int64_t c) { return d[r * columns + c]; });
  Expect(RelativeError(dscales, sums.scales) <= 1e-6, "dscales");
  if (shape.offset) Expect(RelativeError(doffset, sums.offset) <= 1e-6, "doffset");
}

void TestGatherGradient(const Shape& shape, bcq_type type, Order order) {
  std::mt19937 random(9);
  context = Name(shape) + ", gradient of gather, type " + std::to_string(type);
  Random w(shape, random);
  const int64_t count = 270, columns = shape.columns;
  std::vector<int64_t> ids(count);
  for (int64_t i = 0; i < count; ++i) {
    const bool good = i % 11 == 0 || i > 260; /* so few since the emulator is slow */
    ids[i] = good ? static_cast<int64_t>(random() % std::min<int64_t>(shape.rows, 70)) : -1 - i;
  }
  Numbers dout = Normal(type, count * columns, random);
  std::vector<double> d(static_cast<size_t>(shape.rows * columns));
  for (int64_t i = 0; i < count * columns; ++i) {
    const int64_t id = ids[i / columns];
    if (id < 0) continue;
    d[(shape.order ? w.place[id] : id) * columns + i % columns] += dout.at(i);
  }
  Numbers dscales(BCQ_FLOAT32, w.groups * w.bits() * shape.rows);
  Numbers doffset(BCQ_FLOAT32, w.groups * shape.rows);
  int64_t bad = 0;
  bcq_cuda::emulator::order = order;
  Expect(bcq_cuda_gather_scale_gradient(&w.matrix, ids.data(), count, type, dout.data(),
                                        dscales.wide.data(), doffset.wide.data(), &bad,
                                        nullptr) == BCQ_OK,
         "status");
  Expect(bad == 1, "the first bad id");
  const Gradients sums = SignedSums(w, [&](int64_t r, int64_t c) { return d[r * columns + c]; });
  Expect(RelativeError(dscales, sums.scales) <= 1e-6, "dscales");
  Expect(RelativeError(doffset, sums.offset) <= 1e-6, "doffset");
}

/* Every column of a row stands in exactly one step, word, register and byte, the same for the signs
 * as for x; every place of a fragment is taken once. */
void TestColumns(int64_t columns, int64_t group_size) {
  context = std::to_string(columns) + " columns, groups of " + std::to_string(group_size);
  bcq_cuda::Matrix m = {};
  bcq_cuda::set_columns(m, columns, group_size);
  std::vector<int> seen(static_cast<size_t>(columns));
  int steps = 0;
  for (int chunk = 0; chunk < bcq_cuda::chunk_count(m); ++chunk) {
    steps += bcq_cuda::chunk_steps(m, chunk);
    std::set<int> places;
    for (int q = 0; q < bcq_cuda::chunk_steps(m, chunk) * 32; ++q) {
      const bcq_cuda::Quad quad = bcq_cuda::chunk_quad(m, chunk, q);
      const bcq_cuda::Step step = bcq_cuda::step_at(m, chunk * bcq_cuda::kChunkSteps + q / 32);
      for (int n = 0; n < 8; ++n) places.insert(bcq_cuda::quad_place(q, n));
      for (int t = 0; t < quad.count; ++t) {
        const int64_t column = quad.start + 8 * t;
        ++seen[column];
        Expect(column / group_size == step.group, "a step straddles groups");
        const uint32_t signs = bcq_cuda::sign_bytes(1u << (column % 32), q & 7);
        Expect(signs >> (8 * t) % 32 << 24 == 0xc0000000u, "the signs' byte");
      }
    }
    Expect(static_cast<int>(places.size()) ==
                   bcq_cuda::chunk_steps(m, chunk) * bcq_cuda::kFragmentWords &&
               *places.rbegin() == static_cast<int>(places.size()) - 1,
           "places");
  }
  Expect(steps == m.steps, "steps");
  Expect(std::all_of(seen.begin(), seen.end(), [](int n) { return n == 1; }), "columns");
}

void TestSteps(int64_t columns, int64_t group_size) {
  context = std::to_string(columns) + " columns, groups of " + std::to_string(group_size);
  bcq_cuda::Matrix m = {};
  bcq_cuda::set_columns(m, columns, group_size);
  for (int stride = 1; stride <= bcq_cuda::kUnits; ++stride) {
    bcq_cuda::Step step = bcq_cuda::step_at(m, 0);
    for (int s = 0; s < m.steps; s += stride) {
      const bcq_cuda::Step expected = bcq_cuda::step_at(m, s);
      Expect(step.group == expected.group && step.within == expected.within, "advanced");
      step = bcq_cuda::advanced(m, step, bcq_cuda::stride_of(m, stride));
    }
  }
}

void TestFragments() {
  context = "fragments";
  for (int pairs : {2, 4}) {
    std::set<int> rows;
    for (int i = 0; i < 16 * pairs; ++i) {
      rows.insert(bcq_cuda::fragment_row(i / 16, i / 8 % 2, i % 8));
    }
    Expect(static_cast<int>(rows.size()) == 16 * pairs && *rows.rbegin() == 16 * pairs - 1, "rows");
  }
  for (int p = 0; p < 16; ++p) {
    Expect(bcq_cuda::sign_halves(1u << p, p) == 0x8000u, "low half");
    Expect(bcq_cuda::sign_halves(1u << (p + 16), p) == 0x80000000u, "high half");
  }
  for (int row = 0; row < 128; row += 8) {
    for (int turn = 0; turn < 4; ++turn) {
      std::set<int> banks;
      for (int r = row; r < row + 8; ++r) {
        banks.insert(bcq_cuda::pair_place(r, bcq_cuda::quarter_at(r, turn)) / 4 % 8);
      }
      Expect(banks.size() == 8, "banks");
    }
  }
}

/* All tensors of a tile's shape: offsets of tiles against a count. */
void TestTiles() {
  context = "tiles";
  for (int64_t n1 : {0, 1, 63, 64, 65, 128, 129, 200}) {
    for (int64_t n2 : {0, 1, 64, 100}) {
      bcq_cuda::Matrix m = {};
      bcq_cuda::set_columns(m, 70, 70);
      m.rows = 200;
      m.bits = 3;
      const int64_t plane_rows[] = {200, n1, std::min(n1, n2)};
      std::copy(plane_rows, plane_rows + 3, m.plane_rows);
      int64_t words = 0;
      for (int64_t tile = 0; tile < 4; ++tile) {
        Expect(bcq_cuda::tile_start(m, tile) == words, "start");
        words += bcq_cuda::tile_planes(m, tile) * int64_t{3} * 64;
      }
      Expect(words == bcq_tile_words(200, 70, 3, plane_rows), "all");
    }
  }
}

void TestDigits() {
  context = "digits";
  for (int64_t v = -8355002; v <= 8355002; v += 37) {
    const int four[4] = {static_cast<int>(v), static_cast<int>(-v), 0, 1};
    uint32_t words[3];
    bcq_cuda::digit_words<3>(four, words);
    for (int t = 0; t < 4; ++t) {
      int sum = 0;
      for (int d = 2; d >= 0; --d) sum = sum * 256 + static_cast<int8_t>(words[d] >> (8 * t));
      if (sum != four[t]) return Expect(false, std::to_string(four[t]));
    }
  }
}

void TestBadArguments() {
  context = "bad arguments";
  std::mt19937 random(1);
  const Random w({64, 64, 32, {64, 64}, false, false, BCQ_FLOAT32}, random);
  std::vector<float> x(64 * 3), y(64 * 3), workspace(4096);
  const auto run = [&](const bcq_matrix& m) {
    return bcq_cuda_product(&m, BCQ_EXACT, BCQ_FLOAT32, x.data(), 1, y.data(), nullptr, nullptr);
  };
  const int64_t rising[] = {64, 65}, short_rows[] = {63, 63};
  bcq_matrix m = w.matrix;
  Expect(run(m) == BCQ_OK, "good");
  m = w.matrix, m.rows = 0, Expect(run(m) == BCQ_BAD_ARGUMENT, "rows");
  m = w.matrix, m.columns = 0, Expect(run(m) == BCQ_BAD_ARGUMENT, "columns");
  m = w.matrix, m.columns = int64_t{1} << 40, Expect(run(m) == BCQ_BAD_ARGUMENT, "many columns");
  m = w.matrix, m.bits = 9, Expect(run(m) == BCQ_BAD_ARGUMENT, "bits");
  m = w.matrix, m.group_size = 48, Expect(run(m) == BCQ_BAD_ARGUMENT, "group_size");
  m = w.matrix, m.group_size = 0, Expect(run(m) == BCQ_BAD_ARGUMENT, "no group_size");
  m = w.matrix, m.scale_type = 3, Expect(run(m) == BCQ_BAD_ARGUMENT, "scale_type");
  m = w.matrix, m.plane_rows = rising, Expect(run(m) == BCQ_BAD_ARGUMENT, "rising planes");
  m = w.matrix, m.plane_rows = short_rows, Expect(run(m) == BCQ_BAD_ARGUMENT, "short planes");
  m = w.matrix, m.tiles = nullptr, Expect(run(m) == BCQ_BAD_ARGUMENT, "tiles");
  m = w.matrix, m.tiles += 1, Expect(run(m) == BCQ_BAD_ARGUMENT, "alignment");
  m = w.matrix, m.scales = nullptr, Expect(run(m) == BCQ_BAD_ARGUMENT, "scales");
  const auto with = [&](int precision, int type, int64_t batch, void* space) {
    return bcq_cuda_product(&w.matrix, static_cast<bcq_precision>(precision),
                            static_cast<bcq_type>(type), x.data(), batch, y.data(), space, nullptr);
  };
  Expect(with(BCQ_EXACT, BCQ_FLOAT32, 3, nullptr) == BCQ_BAD_ARGUMENT, "no workspace");
  Expect(with(BCQ_EXACT, BCQ_FLOAT32, -1, nullptr) == BCQ_BAD_ARGUMENT, "batch");
  Expect(with(BCQ_EXACT, 3, 1, nullptr) == BCQ_BAD_ARGUMENT, "type");
  Expect(with(2, BCQ_FLOAT32, 1, nullptr) == BCQ_BAD_ARGUMENT, "precision");
  const int64_t launches = bcq_cuda::emulator::launches;
  Expect(with(BCQ_EXACT, BCQ_FLOAT32, 0, nullptr) == BCQ_OK, "batch 0");
  Expect(bcq_cuda::emulator::launches == launches, "batch 0 starts nothing");
}

}  // namespace

int main() {
  const char* isa = getenv("BCQ_TF_ISA"); /* CUDA has none of these: once is enough */
  if (isa && strcmp(isa, "portable") != 0) return 0;
  TestFragments();
  TestTiles();
  TestDigits();
  TestBadArguments();
  for (int64_t columns : {1, 7, 31, 32, 33, 100, 128, 129, 257, 1000, 4096, 4097, 5000}) {
    for (int64_t group_size : {int64_t{32}, int64_t{64}, int64_t{96}, int64_t{128}, int64_t{160},
                               int64_t{1024}, columns}) {
      TestColumns(columns, group_size);
      TestSteps(columns, group_size);
    }
  }

  const bcq_type f32 = BCQ_FLOAT32, f16 = BCQ_FLOAT16, bf16 = BCQ_BFLOAT16;
  const std::vector<Shape> shapes = {
      {1, 1, 1, {1}, false, false, f32},
      {64, 128, 128, {64, 64, 64}, false, false, f16},
      {65, 130, 130, {65, 65, 65}, false, false, f16},
      {33, 1061, 32, {33}, false, false, f16},
      {100, 333, 96, {100, 70, 64, 1}, true, true, f16},
      {130, 260, 64, {130, 129, 3, 0}, true, true, f32},
      {40, 260, 160, std::vector<int64_t>(8, 40), true, false, bf16},
      {5, 4170, 4170, {5, 5}, false, true, f16},
      {200, 64, 64, {200, 150, 128, 127, 66, 20, 1}, false, true, f16},
  };
  const Order orders[] = {Order::kForward, Order::kBackward, Order::kShuffled};
  int turn = 0;
  for (const Shape& shape : shapes) {
    const Order order = orders[++turn % 3];
    TestExact(shape);
    TestProduct(shape, BCQ_EXACT, turn % 2 ? f16 : bf16, 3, 6e-7, order);
    TestProduct(shape, BCQ_EXACT, turn % 2 ? bf16 : f16, 1, 6e-7, order);
    TestProduct(shape, BCQ_FAST, f32, turn % 2 ? 5 : 32, 2e-4, order);
    TestProduct(shape, BCQ_FAST, turn % 2 ? f16 : f32, 33, 1e-2, order);
    TestGather(shape, turn % 2 ? f32 : f16);
    TestGradients(shape, turn % 2 ? f32 : bf16, turn % 2 ? 35 : 1);
    TestGatherGradient(shape, turn % 2 ? f32 : bf16, order);
  }
  const Shape small = {3, 20, 20, {3, 2}, true, false, f32};
  TestGather(small, bf16);
  TestGradients(small, f16, 3);
  TestGradients(small, f32, 0);
  TestProduct(small, BCQ_FAST, f32, 1030, 1e-2, Order::kBackward);
  TestProduct(small, BCQ_FAST, f16, 130, 1e-2, Order::kShuffled);
  for (const Shape& shape : {shapes[0], shapes[2]}) {
    for (int64_t batch : {1, 2, 3}) TestExtremes(shape, BCQ_EXACT, batch);
    for (int64_t batch : {3, 33}) TestExtremes(shape, BCQ_FAST, batch);
  }
  printf(failures ? "%d failures\n" : "ok\n", failures);
  return failures ? 1 : 0;
}
