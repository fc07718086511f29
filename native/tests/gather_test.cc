/* Rows and their gradients: against plain loops, in memory without a byte to spare. */
#include "core/gather/gather.h"
#include "core/gradients/gradients.h"

#include "tests/matrices.h"

using namespace bcq_test;

namespace {

std::vector<int64_t> RandomIds(const RandomMatrix& w, int64_t count) {
  std::vector<int64_t> ids(count);
  for (int64_t& id : ids) id = random_bits() % w.form.rows;
  return ids;
}

void test_gather(const RandomMatrix& w, bcq_type type, int64_t count) {
  const int64_t columns = w.form.columns;
  const std::vector<int64_t> ids = RandomIds(w, count);
  std::vector<double> expected, none(count * columns);
  for (int64_t id : ids) {
    for (int64_t c = 0; c < columns; ++c) expected.push_back(w.weight(id, c));
  }
  for (const bcq_parallel& parallel : {alone(), scattered()}) {
    Numbers rows(type, count * columns);
    int64_t bad = -7;
    expect(bcq_gather(&w.matrix, ids.data(), count, type, rows.data(), &bad, parallel) == BCQ_OK,
           "status");
    expect(bad == -7, "no id is bad");
    expect_near(rows, expected, none, rows.rounding(), "weight");
  }
}

void test_columns(const RandomMatrix& w, bcq_type type) {
  const int64_t rows = w.form.rows, columns = w.form.columns;
  std::vector<double> expected, none(rows * columns);
  for (int64_t c = 0; c < columns; ++c) {
    for (int64_t r = 0; r < rows; ++r) expected.push_back(w.weight(r, c));
  }
  for (const bcq_parallel& parallel : {alone(), scattered()}) {
    Numbers out(type, rows * columns);
    expect(bcq_columns(&w.matrix, type, out.data(), parallel) == BCQ_OK, "status");
    expect_near(out, expected, none, out.rounding(), "weight");
  }
}

void test_gradient(const RandomMatrix& w, bcq_type type, int64_t count) {
  const int64_t rows = w.form.rows, columns = w.form.columns;
  const std::vector<int64_t> ids = RandomIds(w, count);
  const Numbers dout = random_numbers(type, count * columns);
  std::vector<double> dweights(rows * columns);
  for (int64_t i = 0; i < count * columns; ++i) {
    dweights[ids[i / columns] * columns + i % columns] += dout[i];
  }
  const int64_t size = w.groups * rows;
  const std::vector<double> bounds(size * w.plane_count(), 1e-6 * (count + 1) * w.form.group_size);
  Numbers before(BCQ_FLOAT32, 0);
  for (const bcq_parallel& parallel : {alone(), scattered()}) {
    Numbers dscales(BCQ_FLOAT32, size * w.plane_count()), doffset(BCQ_FLOAT32, size);
    int64_t bad = -7;
    const auto gradient = [&](void* to_offset) {
      return bcq_gather_scale_gradient(&w.matrix, ids.data(), count, type, dout.at(0),
                                       static_cast<float*>(dscales.data()),
                                       static_cast<float*>(to_offset), &bad, parallel);
    };
    expect(gradient(nullptr) == BCQ_OK && gradient(doffset.data()) == BCQ_OK, "status");
    expect_near(dscales, w.scale_gradient(dweights, false), bounds, 0, "dscales");
    expect_near(doffset, w.scale_gradient(dweights, true), bounds, 0, "doffset");
    expect(before.bytes.empty() || before.bytes == dscales.bytes, "bits by threads");
    before = dscales;
  }
}

void test_bad_arguments(const RandomMatrix& w) {
  const int64_t rows = w.form.rows, columns = w.form.columns;
  Numbers out(BCQ_FLOAT32, 3 * columns), dscales(BCQ_FLOAT32, w.groups * w.plane_count() * rows);
  const Numbers untouched = out, d_untouched = dscales;
  int64_t bad = 0;
  const auto statuses = [&](const bcq_matrix* m, const int64_t* ids, int64_t count, int type,
                            void* rows, int64_t* bad, bcq_status expected, const char* what) {
    const bcq_type t = static_cast<bcq_type>(type);
    expect(bcq_gather(m, ids, count, t, rows, bad, alone()) == expected, what);
    expect(bcq_gather_scale_gradient(m, ids, count, t, rows, static_cast<float*>(dscales.data()),
                                     nullptr, bad, alone()) == expected,
           what);
  };
  for (int64_t id : {int64_t{-1}, rows, INT64_MAX, INT64_MIN}) {
    const std::vector<int64_t> ids = {0, id, -5};
    bad = 0;
    statuses(&w.matrix, ids.data(), 3, BCQ_FLOAT32, out.data(), &bad, BCQ_BAD_ID, "id");
    expect(bad == 1, "the first bad id");
  }
  expect(dscales.bytes == d_untouched.bytes, "bad ids have no gradient");
  const std::vector<int64_t> ids = {0, 0, 0};
  const auto refuses = [&](const char* what, const bcq_matrix* m, const int64_t* ids, int64_t count,
                           int type, void* rows, int64_t* bad) {
    statuses(m, ids, count, type, rows, bad, BCQ_BAD_ARGUMENT, what);
  };
  bcq_matrix half = w.matrix, wrong = w.matrix;
  half.row_order = half.row_order == nullptr ? w.order.data() : nullptr;
  wrong.bits = 0;
  refuses("one of row_order and row_place", &half, ids.data(), 3, 0, out.data(), &bad);
  refuses("matrix", &wrong, ids.data(), 3, 0, out.data(), &bad);
  refuses("no matrix", nullptr, ids.data(), 3, 0, out.data(), &bad);
  refuses("count", &w.matrix, ids.data(), -1, 0, out.data(), &bad);
  refuses("type", &w.matrix, ids.data(), 3, 3, out.data(), &bad);
  refuses("ids", &w.matrix, nullptr, 3, 0, out.data(), &bad);
  refuses("rows", &w.matrix, ids.data(), 3, 0, nullptr, &bad);
  refuses("bad", &w.matrix, ids.data(), 3, 0, out.data(), nullptr);
  const auto refuses_columns = [&](const char* what, const bcq_matrix* m, int type, void* to) {
    expect(bcq_columns(m, static_cast<bcq_type>(type), to, alone()) == BCQ_BAD_ARGUMENT, what);
  };
  refuses_columns("one of row_order and row_place", &half, 0, out.data());
  refuses_columns("matrix", &wrong, 0, out.data());
  refuses_columns("no matrix", nullptr, 0, out.data());
  refuses_columns("type", &w.matrix, 3, out.data());
  refuses_columns("no columns", &w.matrix, 0, nullptr);
  expect(out.bytes == untouched.bytes && dscales.bytes == d_untouched.bytes, "nothing is written");
}

/* Ids whose stored rows are none, or not theirs alone. */
void test_bad_rows() {
  context = "bad rows";
  const RandomMatrix w({70, 33, 33, {70, 3}, true, true, BCQ_FLOAT32});
  Numbers out(BCQ_FLOAT32, 2 * 33), dscales(BCQ_FLOAT32, 2 * 70);
  const Numbers untouched = out, d_untouched = dscales;
  for (int32_t wrong : {-1, 70, INT32_MAX, INT32_MIN, w.place[1]}) {
    std::vector<int32_t> place = w.place;
    place[69] = wrong;
    bcq_matrix m = w.matrix;
    m.row_place = place.data();
    const std::vector<int64_t> ids = {5, 69};
    int64_t bad = -7;
    expect(bcq_gather(&m, ids.data(), 2, BCQ_FLOAT32, out.data(), &bad, alone()) == BCQ_BAD_ROWS,
           "rows");
    expect(bcq_gather_scale_gradient(&m, ids.data(), 2, BCQ_FLOAT32, out.at(0),
                                     static_cast<float*>(dscales.data()), nullptr, &bad,
                                     alone()) == BCQ_BAD_ROWS,
           "gradient");
    expect(bad == -7, "no id is bad");
    expect(bcq_columns(&m, BCQ_FLOAT32, out.data(), alone()) == BCQ_BAD_ROWS, "columns");
  }
  expect(out.bytes == untouched.bytes && dscales.bytes == d_untouched.bytes, "nothing is written");
}

}  // namespace

int main() {
  for (const Form& form : all_forms()) {
    const RandomMatrix w(form);
    for (bcq_type type : {BCQ_FLOAT32, BCQ_FLOAT16, BCQ_BFLOAT16}) {
      context = name(form) + ", columns, type " + std::to_string(type);
      test_columns(w, type);
      for (int64_t count : {0, 1, 3, 40}) {
        context = name(form) + ", type " + std::to_string(type) + ", ids " + std::to_string(count);
        test_gather(w, type, count);
        test_gradient(w, type, count);
      }
    }
    context = name(form) + ", bad arguments";
    test_bad_arguments(w);
  }
  test_bad_rows();
  return finish();
}
