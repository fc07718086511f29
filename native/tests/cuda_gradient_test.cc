/* Rows and gradients of the CUDA kernels against plain loops in double. */
#include "cuda/gather.cu"
#include "cuda/gradients.cu"
#include "tests/cuda_case.h"

using namespace bcq_test;

namespace {

float* floats(Numbers& numbers) { return static_cast<float*>(numbers.data()); }

void test_gather(const RandomMatrix& w, bcq_type type) {
  context = name(w.form) + ", gather, type " + std::to_string(type);
  const int64_t count = 40, columns = w.form.columns;
  std::vector<int64_t> ids(count);
  for (int64_t& id : ids) id = random_bits() % w.form.rows;
  std::vector<double> expected, none(count * columns);
  for (int64_t i = 0; i < count * columns; ++i) {
    expected.push_back(w.weight(ids[i / columns], i % columns));
  }
  Numbers out(type, count * columns);
  int64_t bad = 5, index = 5, id = 5;
  expect(bcq_cuda_gather(&w.matrix, ids.data(), count, type, out.data(), &bad, nullptr) == BCQ_OK,
         "status");
  expect(bcq_cuda_check_ids(ids.data(), &bad, &index, &id, nullptr) == BCQ_OK && index == -1,
         "good ids");
  expect_near(out, expected, none, out.rounding(), "weight");

  ids[30] = w.form.rows, ids[17] = -1;
  bcq_cuda_gather(&w.matrix, ids.data(), count, type, out.data(), &bad, nullptr);
  expect(bcq_cuda_check_ids(ids.data(), &bad, &index, &id, nullptr) == BCQ_BAD_ID, "bad ids");
  expect(index == 17 && id == -1, "the first bad id");
  expect(isnan(out[17 * columns]) && isnan(out[31 * columns - 1]), "rows of bad ids");
}

void test_columns(const RandomMatrix& w, bcq_type type) {
  context = name(w.form) + ", columns, type " + std::to_string(type);
  const int64_t rows = w.form.rows, columns = w.form.columns;
  std::vector<double> expected, none(rows * columns);
  for (int64_t c = 0; c < columns; ++c) {
    for (int64_t r = 0; r < rows; ++r) expected.push_back(w.weight(r, c));
  }
  Numbers out(type, rows * columns);
  expect(bcq_cuda_columns(&w.matrix, type, out.data(), nullptr) == BCQ_OK, "status");
  expect_near(out, expected, none, out.rounding(), "weight");
}

void test_gather_gradient(const RandomMatrix& w, bcq_type type, Order order) {
  context = name(w.form) + ", gradient of gather, type " + std::to_string(type);
  const int64_t count = 270, rows = w.form.rows, columns = w.form.columns;
  std::vector<int64_t> ids(count);
  for (int64_t i = 0; i < count; ++i) {
    const bool good = i % 11 == 0 || i > 260; /* so few since the emulator is slow */
    ids[i] = good ? random_bits() % std::min<int64_t>(rows, 70) : -1 - i;
  }
  const Numbers dout = random_numbers(type, count * columns);
  std::vector<double> dweights(rows * columns);
  for (int64_t i = 0; i < count * columns; ++i) {
    const int64_t id = ids[i / columns];
    if (id >= 0) dweights[id * columns + i % columns] += dout[i];
  }
  Numbers dscales(BCQ_FLOAT32, w.groups * w.plane_count() * rows);
  Numbers doffset(BCQ_FLOAT32, w.groups * rows);
  int64_t bad = 0;
  bcq_cuda::emulator::order = order;
  expect(bcq_cuda_gather_scale_gradient(&w.matrix, ids.data(), count, type, dout.at(0),
                                        floats(dscales), floats(doffset), &bad, nullptr) == BCQ_OK,
         "status");
  expect(bad == 1, "the first bad id");
  expect_close(dscales, w.scale_gradient(dweights, false), 1e-6, "dscales");
  expect_close(doffset, w.scale_gradient(dweights, true), 1e-6, "doffset");
}

void test_transposed(const RandomMatrix& w, const Numbers& dy, int64_t batch) {
  const int64_t rows = w.form.rows, columns = w.form.columns;
  Numbers dx(dy.type, batch * columns);
  expect(bcq_cuda_product_transposed(&w.matrix, dy.type, dy.at(0), batch, dx.data(), nullptr) ==
             BCQ_OK,
         "status of transposed");
  std::vector<double> expected(batch * columns);
  for (int64_t i = 0; i < batch * rows; ++i) {
    for (int64_t c = 0; c < columns; ++c) {
      expected[i / rows * columns + c] += static_cast<double>(dy[i]) * w.weight(i % rows, c);
    }
  }
  expect_close(dx, expected, 1e-6, "dx");
}

void test_scale_gradient(const RandomMatrix& w, const Numbers& x, const Numbers& dy,
                         int64_t batch) {
  const int64_t rows = w.form.rows, columns = w.form.columns;
  Numbers dscales(BCQ_FLOAT32, w.groups * w.plane_count() * rows);
  Numbers doffset(BCQ_FLOAT32, w.groups * rows);
  Workspace workspace(bcq_cuda_product_scale_gradient_workspace(&w.matrix));
  expect(bcq_cuda_product_scale_gradient(&w.matrix, x.type, x.at(0), dy.at(0), batch,
                                         floats(dscales), w.form.offset ? floats(doffset) : nullptr,
                                         workspace.data(), nullptr) == BCQ_OK,
         "status of scale gradient");
  std::vector<double> dweights(rows * columns);
  for (int64_t i = 0; i < batch * rows; ++i) {
    for (int64_t c = 0; c < columns; ++c) {
      dweights[i % rows * columns + c] += static_cast<double>(dy[i]) * x[i / rows * columns + c];
    }
  }
  expect_close(dscales, w.scale_gradient(dweights, false), 1e-6, "dscales");
  if (w.form.offset) expect_close(doffset, w.scale_gradient(dweights, true), 1e-6, "doffset");
}

void test_gradients(const RandomMatrix& w, bcq_type type, int64_t batch) {
  context = name(w.form) + ", gradients, type " + std::to_string(type) + ", batch " +
            std::to_string(batch);
  const Numbers dy = random_numbers(type, batch * w.form.rows);
  test_transposed(w, dy, batch);
  test_scale_gradient(w, random_numbers(type, batch * w.form.columns), dy, batch);
}

}  // namespace

int main() {
  const bcq_type f32 = BCQ_FLOAT32, f16 = BCQ_FLOAT16, bf16 = BCQ_BFLOAT16;
  const Order orders[] = {Order::kForward, Order::kBackward, Order::kShuffled};
  int turn = 0;
  for (const Form& form : cuda_forms()) {
    const RandomMatrix w(form);
    bcq_cuda::emulator::order = orders[++turn % 3];
    test_gather(w, turn % 2 ? f32 : f16);
    test_columns(w, turn % 2 ? f16 : f32);
    test_gradients(w, turn % 2 ? f32 : bf16, turn % 2 ? 35 : 1);
    test_gather_gradient(w, turn % 2 ? f32 : bf16, orders[turn % 3]);
  }
  const RandomMatrix small({3, 20, 20, {3, 2}, true, false, f32});
  test_gather(small, bf16);
  test_gradients(small, f16, 3);
  test_gradients(small, f32, 0);
  return finish();
}
