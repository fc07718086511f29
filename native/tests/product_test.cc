/* Products and their gradients: against plain loops in double, in memory without a byte to spare.
 */
#include "core/gradients/gradients.h"
#include "core/product/product.h"

#include "tests/matrices.h"

using namespace bcq_test;

namespace {

constexpr bcq_type kTypes[] = {BCQ_FLOAT32, BCQ_FLOAT16, BCQ_BFLOAT16};
constexpr double kGradientBound = 2e-6, kBounds[] = {4e-7, 2e-2};

Numbers product(const RandomMatrix& w, bcq_precision precision, const Numbers& x, int64_t first,
                int64_t batch, bcq_parallel parallel) {
  Numbers y(x.type, batch * w.form.rows);
  const bcq_status status = bcq_product(&w.matrix, precision, x.type, x.at(first * w.form.columns),
                                        batch, y.data(), parallel);
  expect(status == BCQ_OK, "status");
  return y;
}

/* left [m, k] times right [k, n], where these are functions. */
template <class Left, class Right>
std::vector<double> multiply(int64_t m, int64_t k, int64_t n, const Left& left,
                             const Right& right) {
  std::vector<double> result(m * n);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t l = 0; l < k; ++l) {
      const double factor = left(i, l);
      for (int64_t j = 0; j < n; ++j) result[i * n + j] += factor * right(l, j);
    }
  }
  return result;
}

/* numbers [batch][width] as a function. */
auto rows_of(const Numbers& numbers, int64_t width) {
  return [&numbers, width](int64_t b, int64_t i) { return numbers[b * width + i]; };
}
/* `bound` times their magnitudes. */
auto bounds_of(const Numbers& numbers, int64_t width, double bound) {
  return [&numbers, width, bound](int64_t b, int64_t i) {
    return bound * fabs(numbers[b * width + i]);
  };
}

void test_product(const RandomMatrix& w, bcq_precision precision, const Numbers& x, int64_t batch) {
  const int64_t rows = w.form.rows, columns = w.form.columns;
  const Numbers y = product(w, precision, x, 0, batch, alone());
  const auto expected = multiply(batch, columns, rows, rows_of(x, columns),
                                 [&](int64_t c, int64_t r) { return w.weight(r, c); });
  const auto bounds = multiply(batch, columns, rows, bounds_of(x, columns, kBounds[precision]),
                               [&](int64_t c, int64_t r) { return w.magnitude(r, c); });
  expect_near(y, expected, bounds, y.rounding(), "y");
  expect(product(w, precision, x, 0, batch, scattered()).bytes == y.bytes, "bits by threads");
  if (batch < 2 || precision == BCQ_FAST) return;
  for (int64_t b = 0; b < batch; ++b) {
    const Numbers one = product(w, precision, x, b, 1, alone());
    expect(memcmp(one.at(0), y.at(b * rows), one.bytes.size()) == 0, "bits by batch");
  }
}

void test_transposed(const RandomMatrix& w, const Numbers& dy, int64_t batch) {
  const int64_t rows = w.form.rows, columns = w.form.columns;
  const auto expected = multiply(batch, rows, columns, rows_of(dy, rows),
                                 [&](int64_t r, int64_t c) { return w.weight(r, c); });
  const auto bounds = multiply(batch, rows, columns, bounds_of(dy, rows, kGradientBound),
                               [&](int64_t r, int64_t c) { return w.magnitude(r, c); });
  Numbers dx(dy.type, batch * columns), by_threads = dx;
  expect(bcq_product_transposed(&w.matrix, dy.type, dy.at(0), batch, dx.data(), alone()) == BCQ_OK,
         "status of transposed");
  bcq_product_transposed(&w.matrix, dy.type, dy.at(0), batch, by_threads.data(), scattered());
  expect_near(dx, expected, bounds, dy.rounding(), "dx");
  expect(dx.bytes == by_threads.bytes, "bits of dx by threads");
}

void test_scale_gradient(const RandomMatrix& w, const Numbers& x, const Numbers& dy,
                         int64_t batch) {
  const int64_t rows = w.form.rows, columns = w.form.columns;
  const auto dweights = multiply(
      rows, batch, columns, [&](int64_t r, int64_t b) { return dy[b * rows + r]; },
      rows_of(x, columns));
  const std::vector<double> bounds(w.groups * w.plane_count() * rows,
                                   kGradientBound * static_cast<double>(batch * w.form.group_size));
  Numbers before(BCQ_FLOAT32, 0);
  for (const bcq_parallel& parallel : {alone(), scattered()}) {
    Numbers dscales(BCQ_FLOAT32, w.groups * w.plane_count() * rows),
        doffset(BCQ_FLOAT32, w.groups * rows);
    const auto run = [&](void* to_offset) {
      return bcq_product_scale_gradient(&w.matrix, x.type, x.at(0), dy.at(0), batch,
                                        static_cast<float*>(dscales.data()),
                                        static_cast<float*>(to_offset), parallel);
    };
    expect(run(nullptr) == BCQ_OK && run(doffset.data()) == BCQ_OK, "status of scale gradient");
    expect_near(dscales, w.scale_gradient(dweights, false), bounds, 0, "dscales");
    expect_near(doffset, w.scale_gradient(dweights, true), bounds, 0, "doffset");
    expect(before.bytes.empty() || before.bytes == dscales.bytes, "bits of dscales by threads");
    before = dscales;
  }
}

void test_gradients(const RandomMatrix& w, const Numbers& x, int64_t batch) {
  const Numbers dy = random_numbers(x.type, batch * w.form.rows);
  test_transposed(w, dy, batch);
  test_scale_gradient(w, x, dy, batch);
}

/* Ones, signs that all agree, and numbers at the ends of float32: integer sums do not overflow. */
void test_extremes(int64_t columns) {
  RandomMatrix w({64, columns, columns, {64}, false, false, BCQ_FLOAT32});
  for (int64_t i = 0; i < 64 * w.words; ++i) {
    const int64_t left = columns - i % w.words * 32;
    w.planes[0][i] = left < 32 ? (1u << left) - 1 : ~0u;
  }
  w.refresh();
  for (float size : {1.0f, -1.0f, 1e-45f, 1e-38f, 3e38f, -3e38f}) {
    context = "all " + std::to_string(size) + ", columns " + std::to_string(columns);
    Numbers x(BCQ_FLOAT32, columns);
    for (int64_t c = 0; c < columns; ++c) memcpy(x.bytes.data() + 4 * c, &size, 4);
    for (bcq_precision precision : {BCQ_EXACT, BCQ_FAST}) {
      const Numbers y = product(w, precision, x, 0, 1, alone());
      for (int64_t r = 0; r < w.form.rows; ++r) {
        const double expected = static_cast<double>(size) * w.weight(r, 0) * columns;
        if (fabs(expected) > 3.4e38) {
          expect(isinf(y[r]) && (y[r] > 0) == (expected > 0), "overflow");
        } else {
          const double allowed = kBounds[precision] * fabs(expected) + 1.5e-45;
          expect(fabs(y[r] - expected) <= allowed, "y " + std::to_string(y[r] / expected));
        }
      }
    }
  }
}

/* Rows that hold NaN or Inf; those beside them keep their bits. */
void test_not_finite(const RandomMatrix& w, bcq_type type) {
  const int64_t rows = w.form.rows, columns = w.form.columns, batch = 5;
  Numbers x = random_numbers(type, batch * columns);
  for (bcq_precision precision : {BCQ_EXACT, BCQ_FAST}) {
    const Numbers clean = product(w, precision, x, 0, batch, alone());
    Numbers some = x;
    some.set_nan(columns);
    some.set_inf(4 * columns - 1);
    const Numbers y = product(w, precision, some, 0, batch, scattered());
    for (int64_t b : {0, 2, 4}) {
      expect(memcmp(y.at(b * rows), clean.at(b * rows), rows * y.size()) == 0, "other rows");
    }
    for (int64_t r = 0; r < rows; ++r) {
      expect(isnan(y[rows + r]), "NaN");
      const float weight = w.weight(r, columns - 1);
      expect(weight == 0 ? isnan(y[3 * rows + r])
                         : isinf(y[3 * rows + r]) && (y[3 * rows + r] > 0) == (weight > 0),
             "Inf");
    }
  }
}

void test_bad_arguments() {
  context = "bad arguments";
  const RandomMatrix w({64, 64, 32, {64, 64}, true, false, BCQ_FLOAT32});
  Numbers x = random_numbers(BCQ_FLOAT32, 64), y(BCQ_FLOAT32, 64), d(BCQ_FLOAT32, 2 * 2 * 64);
  const Numbers untouched = y, d_untouched = d;
  const auto refuses = [&](const bcq_matrix* m, int precision, int type, const void* from,
                           int64_t batch, void* to, const char* what) {
    const bcq_type t = static_cast<bcq_type>(type);
    const auto p = static_cast<bcq_precision>(precision);
    float* scales = static_cast<float*>(to == nullptr ? nullptr : d.data());
    expect(bcq_product(m, p, t, from, batch, to, alone()) == BCQ_BAD_ARGUMENT, what);
    if (precision > BCQ_FAST) return;
    expect(bcq_product_transposed(m, t, from, batch, to, alone()) == BCQ_BAD_ARGUMENT, what);
    expect(bcq_product_scale_gradient(m, t, from, from, batch, scales, nullptr, alone()) ==
               BCQ_BAD_ARGUMENT,
           what);
  };
  const auto refuses_matrix = [&](const char* what, const bcq_matrix& m) {
    refuses(&m, BCQ_EXACT, BCQ_FLOAT32, x.at(0), 1, y.data(), what);
  };
  break_matrix(w.matrix, refuses_matrix);
  bcq_matrix half = w.matrix;
  half.row_order = w.order.data();
  refuses_matrix("no row_place", half);
  refuses(nullptr, BCQ_EXACT, BCQ_FLOAT32, x.at(0), 1, y.data(), "matrix");
  refuses(&w.matrix, 2, BCQ_FLOAT32, x.at(0), 1, y.data(), "precision");
  refuses(&w.matrix, BCQ_EXACT, 3, x.at(0), 1, y.data(), "type");
  refuses(&w.matrix, BCQ_EXACT, BCQ_FLOAT32, x.at(0), -1, y.data(), "batch");
  refuses(&w.matrix, BCQ_EXACT, BCQ_FLOAT32, nullptr, 1, y.data(), "x");
  refuses(&w.matrix, BCQ_EXACT, BCQ_FLOAT32, x.at(0), 1, nullptr, "y");
  expect(y.bytes == untouched.bytes && d.bytes == d_untouched.bytes, "nothing is written");
}

/* Rows that are no permutation: what is read and written would be anyone's. */
void test_bad_rows() {
  context = "bad rows";
  const RandomMatrix w({70, 33, 33, {70, 3}, true, true, BCQ_FLOAT32});
  Numbers x = random_numbers(BCQ_FLOAT32, 70), y(BCQ_FLOAT32, 70), d(BCQ_FLOAT32, 2 * 70);
  const Numbers untouched = y, d_untouched = d;
  const auto refuses = [&](const char* what, size_t at, int32_t in_order, int32_t in_place) {
    std::vector<int32_t> order = w.order, place = w.place;
    order[at] = in_order;
    place[at] = in_place;
    bcq_matrix m = w.matrix;
    m.row_order = order.data();
    m.row_place = place.data();
    for (int64_t batch : {0, 1}) {
      expect(bcq_product(&m, BCQ_EXACT, BCQ_FLOAT32, x.at(0), batch, y.data(), alone()) ==
                 BCQ_BAD_ROWS,
             what);
      expect(bcq_product_transposed(&m, BCQ_FLOAT32, x.at(0), batch, y.data(), alone()) ==
                 BCQ_BAD_ROWS,
             what);
    }
    expect(
        bcq_product_scale_gradient(&m, BCQ_FLOAT32, x.at(0), x.at(0), 1,
                                   static_cast<float*>(d.data()), nullptr, alone()) == BCQ_BAD_ROWS,
        what);
  };
  for (size_t at : {size_t{0}, size_t{69}}) {
    const int32_t order = w.order[at], place = w.place[at];
    refuses("twice", at, w.order[1], place);
    refuses("no inverse", at, order, w.place[1]);
    for (int32_t wrong : {-1, 70, INT32_MAX, INT32_MIN}) {
      refuses("no row", at, wrong, place);
      refuses("no place", at, order, wrong);
    }
  }
  expect(y.bytes == untouched.bytes && d.bytes == d_untouched.bytes, "nothing is written");
}

/* Half precision of plane `plane`, of five digits or, where `whole`, of all. */
uint32_t some_scale(int64_t plane, int64_t exponent, bool whole) {
  const uint32_t digits = whole ? 0x3ff : 0x3c0;
  return static_cast<uint32_t>(exponent - plane) << 10 | (random_bits() & digits);
}

/* Levels that are small integers: in one unit, in one for each group (every second one's scales are
 * 2^spread times as large), or in none, as those of rows 20, 84 and so on are not. */
void test_levels(int64_t group_size, int64_t planes, int64_t spread, bool all_fit, int64_t batch) {
  const Form form = {70,          1100,  group_size, std::vector<int64_t>(planes, 70),
                     planes == 4, false, BCQ_FLOAT16};
  RandomMatrix w(form);
  for (int64_t i = 0; i < w.scales.count(); ++i) {
    const int64_t row = i % form.rows, plane = i / form.rows % planes;
    const int64_t group = i / form.rows / planes;
    w.scales.set_bits(i, some_scale(plane, 12 + group % 2 * spread, !all_fit && row % 64 == 20));
  }
  w.refresh();
  context = name(form) + ", spread " + std::to_string(spread) + ", batch " + std::to_string(batch);
  const Numbers x = random_numbers(BCQ_FLOAT32, batch * form.columns);
  test_product(w, BCQ_EXACT, x, batch);
  test_product(w, BCQ_FAST, x, batch);
}

}  // namespace

int main() {
  int turn = 0;
  for (const Form& form : all_forms()) {
    const RandomMatrix w(form);
    for (bcq_type type : kTypes) {
      for (int64_t batch : {0, 1, 2, turn % 3 ? 9 : 17}) {
        context =
            name(form) + ", type " + std::to_string(type) + ", batch " + std::to_string(batch);
        const Numbers x = random_numbers(type, batch * form.columns);
        test_product(w, BCQ_EXACT, x, batch);
        test_product(w, BCQ_FAST, x, batch);
        if (batch != 2) test_gradients(w, x, batch);
      }
      test_not_finite(w, type);
      ++turn;
    }
  }
  context = "more rows than there are tables for at one time";
  const RandomMatrix wide({2, 4129, 64, {2, 1}, true, false, BCQ_FLOAT16});
  for (bcq_precision precision : {BCQ_EXACT, BCQ_FAST}) {
    test_product(wide, precision, random_numbers(BCQ_FLOAT16, 260 * 4129), 260);
  }
  context = "more rows than gradients take at one time";
  const RandomMatrix small({70, 40, 40, {70, 3}, true, true, BCQ_FLOAT32});
  test_gradients(small, random_numbers(BCQ_FLOAT32, 135 * 40), 135);
  for (int64_t columns : {32, 511, 1024, 1056}) test_extremes(columns);
  for (int64_t group_size : {32, 64, 96, 640, 1100}) {
    for (int64_t planes : {3, 4}) {
      for (int64_t spread : {0, 3, 14}) {
        test_levels(group_size, planes, spread, spread != 3, spread == 0 ? 35 : planes * 3 - 2);
      }
    }
  }
  test_bad_arguments();
  test_bad_rows();
  return finish();
}
