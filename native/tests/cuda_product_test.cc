/* The products of the CUDA kernels against plain loops in double. */
#include "cuda/product.cu"
#include "tests/cuda_case.h"

using namespace bcq_test;

namespace {

Numbers product(const RandomMatrix& w, bcq_precision precision, const Numbers& x, int64_t first,
                int64_t batch) {
  Workspace workspace(bcq_cuda_product_workspace(&w.matrix, precision, batch));
  Numbers y(x.type, batch * w.form.rows);
  const bcq_status status =
      bcq_cuda_product(&w.matrix, precision, x.type, x.at(first * w.form.columns), batch, y.data(),
                       workspace.data(), nullptr);
  expect(status == BCQ_OK, "status");
  return y;
}

std::vector<double> plain_product(const RandomMatrix& w, const Numbers& x, int64_t batch) {
  std::vector<double> y;
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t r = 0; r < w.form.rows; ++r) {
      double sum = 0;
      for (int64_t c = 0; c < w.form.columns; ++c) {
        sum += static_cast<double>(w.weight(r, c)) * x[b * w.form.columns + c];
      }
      y.push_back(sum);
    }
  }
  return y;
}

void test_product(const RandomMatrix& w, bcq_precision precision, bcq_type type, int64_t batch,
                  double bound, Order order) {
  context = name(w.form) + ", precision " + std::to_string(precision) + ", type " +
            std::to_string(type) + ", batch " + std::to_string(batch);
  const Numbers x = random_numbers(type, batch * w.form.columns);
  bcq_cuda::emulator::order = order;
  expect_close(product(w, precision, x, 0, batch), plain_product(w, x, batch), bound, "y");
}

/* Exact products: right, and the same bits when the rows come in batches of other sizes, which
 * other kernels take, with the threads in another order. */
void test_exact(const RandomMatrix& w) {
  context = name(w.form) + ", exact";
  const int64_t batch = 17, row_bytes = w.form.rows * 4;
  const Numbers x = random_numbers(BCQ_FLOAT32, batch * w.form.columns);
  bcq_cuda::emulator::order = Order::kForward;
  const Numbers all = product(w, BCQ_EXACT, x, 0, batch);
  expect_close(all, plain_product(w, x, batch), 6e-7, "y");
  int64_t first = 0;
  for (int64_t part : {1, 2, 4, 10}) {
    bcq_cuda::emulator::order = part % 4 == 2 ? Order::kShuffled : Order::kBackward;
    const Numbers some = product(w, BCQ_EXACT, x, first, part);
    const bool same = memcmp(some.at(0), all.at(first * w.form.rows), part * row_bytes) == 0;
    expect(same, "batch " + std::to_string(part) + " has other bits");
    first += part;
  }
}

/* The last row of y against what a float32 product gives, in kind. */
void expect_like_float(const RandomMatrix& w, const Numbers& x, const Numbers& y, int64_t b,
                       double tolerance, bool may_overflow) {
  for (int64_t r = 0; r < w.form.rows; ++r) {
    float sum = 0;
    double size = 0;
    for (int64_t c = 0; c < w.form.columns; ++c) {
      const float factor = x[b * w.form.columns + c];
      sum += w.weight(r, c) * factor;
      size += fabs(static_cast<double>(w.weight(r, c))) * fabs(factor);
    }
    const float got = y[b * w.form.rows + r];
    const bool close = fabs(got - sum) <= tolerance * size + 1e-37;
    const bool same = isnan(sum) ? isnan(got) : isinf(sum) ? got == sum : close;
    /* Where the plain order overflows on the way, a finite result is as right. */
    expect(same || (may_overflow && !isfinite(sum)),
           std::to_string(got) + ", not " + std::to_string(sum));
  }
}

/* Rows of x with NaN or Inf, huge or tiny ones. */
void test_extremes(const RandomMatrix& w, bcq_precision precision, int64_t batch) {
  const int64_t columns = w.form.columns;
  for (float value : {INFINITY, -INFINITY, NAN, 3.4028235e38f, 1e-38f, 0.0f}) {
    context = name(w.form) + ", precision " + std::to_string(precision) + ", batch " +
              std::to_string(batch) + ", value " + std::to_string(value);
    Numbers x = random_numbers(BCQ_FLOAT32, batch * columns);
    const bool whole_row = isfinite(value);
    for (int64_t c = whole_row ? 0 : columns - 1; c < columns; ++c) {
      x.set_bits((batch - 1) * columns + c, bcq_cuda::bits_of(value));
    }
    const Numbers y = product(w, precision, x, 0, batch);
    for (int64_t b = 0; b < batch; ++b) {
      expect_like_float(w, x, y, b, precision == BCQ_FAST ? .02 : 2e-6, whole_row);
    }
  }
}

void test_bad_arguments() {
  context = "bad arguments";
  const RandomMatrix w({64, 64, 32, {64, 64}, false, false, BCQ_FLOAT32});
  std::vector<float> x(64 * 3), y(64 * 3);
  const auto run = [&](const bcq_matrix& m, int precision, int type, int64_t batch) {
    return bcq_cuda_product(&m, static_cast<bcq_precision>(precision), static_cast<bcq_type>(type),
                            x.data(), batch, y.data(), nullptr, nullptr);
  };
  const auto refuses = [&](const char* what, const bcq_matrix& m) {
    expect(run(m, BCQ_EXACT, BCQ_FLOAT32, 1) == BCQ_BAD_ARGUMENT, what);
  };
  break_matrix(w.matrix, refuses);
  bcq_matrix shifted = w.matrix;
  shifted.tiles += 1;
  refuses("alignment", shifted);
  expect(run(w.matrix, BCQ_EXACT, BCQ_FLOAT32, 1) == BCQ_OK, "good");
  expect(run(w.matrix, BCQ_EXACT, BCQ_FLOAT32, 3) == BCQ_BAD_ARGUMENT, "no workspace");
  expect(run(w.matrix, BCQ_EXACT, BCQ_FLOAT32, -1) == BCQ_BAD_ARGUMENT, "batch");
  expect(run(w.matrix, BCQ_EXACT, 3, 1) == BCQ_BAD_ARGUMENT, "type");
  expect(run(w.matrix, 2, BCQ_FLOAT32, 1) == BCQ_BAD_ARGUMENT, "precision");
  const int64_t launches = bcq_cuda::emulator::launches;
  expect(run(w.matrix, BCQ_EXACT, BCQ_FLOAT32, 0) == BCQ_OK, "batch 0");
  expect(bcq_cuda::emulator::launches == launches, "batch 0 starts nothing");
}

}  // namespace

int main() {
  const bcq_type f32 = BCQ_FLOAT32, f16 = BCQ_FLOAT16, bf16 = BCQ_BFLOAT16;
  const Order orders[] = {Order::kForward, Order::kBackward, Order::kShuffled};
  int turn = 0;
  for (const Form& form : cuda_forms()) {
    const RandomMatrix w(form);
    const Order order = orders[++turn % 3];
    test_exact(w);
    test_product(w, BCQ_EXACT, turn % 2 ? f16 : bf16, 3, 6e-7, order);
    test_product(w, BCQ_EXACT, turn % 2 ? bf16 : f16, 1, 6e-7, order);
    test_product(w, BCQ_FAST, f32, turn % 2 ? 5 : 32, 2e-4, order);
    test_product(w, BCQ_FAST, turn % 2 ? f16 : f32, 33, 1e-2, order);
  }
  const RandomMatrix small({3, 20, 20, {3, 2}, true, false, f32});
  test_product(small, BCQ_FAST, f32, 1030, 1e-2, Order::kBackward);
  test_product(small, BCQ_FAST, f16, 130, 1e-2, Order::kShuffled);
  for (size_t i : {0, 2}) {
    const RandomMatrix w(cuda_forms()[i]);
    for (int64_t batch : {1, 2, 3}) test_extremes(w, BCQ_EXACT, batch);
    for (int64_t batch : {3, 33}) test_extremes(w, BCQ_FAST, batch);
  }
  test_bad_arguments();
  return finish();
}
