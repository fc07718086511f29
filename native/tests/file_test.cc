/* Files of every kind: what the library gives is what was written, and computes as plain loops do.
 */
#include "tests/file_forms.h"

using namespace bcq_test;

namespace {

void expect_opened(const Opened& opened) {
  expect(opened.status == BCQ_OK && opened.file != nullptr, opened.message);
  expect(opened.message[0] == '\0', "no message");
}

/* Whether memory holds these bytes, and is aligned. */
template <class T>
void expect_array(const void* found, const std::vector<T>& expected, const char* what) {
  expect(found && memcmp(found, expected.data(), expected.size() * sizeof(T)) == 0, what);
  expect(reinterpret_cast<uintptr_t>(found) % 64 == 0, std::string(what) + " aligned");
}

void expect_matrix(const bcq_matrix& found, const RandomMatrix& w, bool is_half) {
  const bcq_matrix& m = w.matrix;
  expect(found.rows == m.rows && found.columns == m.columns && found.bits == m.bits, "sizes");
  expect(found.group_size == (w.groups == 1 ? m.columns : m.group_size), "group_size");
  expect(found.scale_type == (is_half ? BCQ_FLOAT16 : BCQ_FLOAT32), "scale_type");
  expect(std::equal(m.plane_rows, m.plane_rows + m.bits, found.plane_rows), "plane_rows");
  expect_array(found.tiles, w.tiles, "tiles");
  expect_array(found.scales, w.scales.bytes, "scales");
  if (w.form.offset) expect_array(found.offset, w.offset.bytes, "offset");
  if (w.form.order) {
    expect_array(found.row_order, w.order, "row_order");
    expect_array(found.row_place, w.place, "row_place");
  }
  expect((found.offset != nullptr) == w.form.offset, "offset");
  expect((found.row_order != nullptr) == w.form.order, "row_order");
}

void expect_rows(const bcq_weight& weight, const std::vector<float>& expected) {
  std::vector<int64_t> ids;
  for (int64_t r = weight.rows; r-- > 0;) ids.push_back(r);
  std::vector<float> rows(expected.size(), NAN);
  const auto count = static_cast<int64_t>(ids.size());
  expect(bcq_rows(&weight, ids.data(), count, rows.data(), nullptr, scattered()) == BCQ_OK, "rows");
  for (int64_t i = 0; i < count; ++i) {
    const float* const row = &expected[static_cast<size_t>(ids[i] * weight.columns)];
    const bool same = std::equal(row, row + weight.columns, rows.begin() + i * weight.columns);
    if (!same) return expect(false, "row " + std::to_string(ids[i]));
  }
  ids = {0, weight.rows};
  int64_t bad = -1;
  rows.resize(static_cast<size_t>(2 * weight.columns));
  expect(bcq_rows(&weight, ids.data(), 2, rows.data(), &bad, alone()) == BCQ_BAD_ID && bad == 1,
         "bad id");
}

void expect_product(const bcq_weight& weight, const RandomMatrix& w) {
  const int64_t rows = weight.rows, columns = weight.columns, batch = 2;
  const Numbers x = random_numbers(BCQ_FLOAT32, batch * columns);
  Numbers y(BCQ_FLOAT32, batch * rows);
  expect(bcq_product(&weight.binary, BCQ_EXACT, BCQ_FLOAT32, x.at(0), batch, y.data(), alone()) ==
             BCQ_OK,
         "product");
  std::vector<double> expected, bounds;
  for (int64_t i = 0; i < batch * rows; ++i) {
    double sum = 0, bound = 0;
    for (int64_t c = 0; c < columns; ++c) {
      const double input = x[i / rows * columns + c];
      sum += input * w.weight(i % rows, c);
      bound += 4e-7 * fabs(input) * w.magnitude(i % rows, c);
    }
    expected.push_back(sum);
    bounds.push_back(bound);
  }
  expect_near(y, expected, bounds, 0, "y");
}

void test_binary(const Folder& folder, const Form& form, const Stored& stored) {
  context = "binary " + name(form) + (stored.short_scales ? ", short scales" : "") +
            (stored.compact_order ? ", compact order" : "") +
            (stored.double_scales ? ", double scales" : ", order ") + stored.order_type;
  RandomMatrix w(form);
  if (stored.compact_order) sort_order(&w);
  if (stored.short_scales) shorten(&w);
  Spec spec;
  const std::string entry = add_binary(w, stored, "w", &spec.parts);
  align(&spec.parts);
  spec.weights = "{\"w\":" + entry + "}";
  const Opened opened(folder, bytes_of(spec));
  expect_opened(opened);
  const bcq_weight* const weight = bcq_at(opened.file, 0);
  if (weight == nullptr) return;
  expect(weight->kind == BCQ_BINARY && weight->rows == form.rows, "kind");
  expect_matrix(weight->binary, w, form.scale_type == BCQ_FLOAT16);
  expect_rows(*weight, w.weights);
  expect_product(*weight, w);
}

void test_forms(const Folder& folder) {
  for (const Form& form : all_forms()) {
    if (form.scale_type == BCQ_BFLOAT16) continue;
    test_binary(folder, form, {});
    test_binary(folder, form, {false, false, false, "I32"});
    if (form.rows < 65536) test_binary(folder, form, {false, false, false, "U16"});
    if (form.scale_type == BCQ_FLOAT32) test_binary(folder, form, {false, false, true});
    if (form.scale_type == BCQ_FLOAT16) test_binary(folder, form, {true, false});
    if (form.order) test_binary(folder, form, {false, true});
    if (form.order && form.scale_type == BCQ_FLOAT16) test_binary(folder, form, {true, true});
  }
}

void test_uniform(const Folder& folder, int bits, int64_t rows, int64_t columns, bool zeros) {
  context = "uniform of " + std::to_string(bits) + " bits";
  const std::string packed = random_fields(rows, columns, bits, 1u << bits);
  std::string marks(static_cast<size_t>(rows + 7) / 8, '\0');
  if (zeros) marks[0] = 2;
  const auto width = static_cast<int64_t>(packed.size()) / rows;
  Spec spec{{{"w/packed", "U8", shape_of(rows, width), packed}}};
  if (zeros) {
    spec.parts.push_back({"w/zero_rows", "U8", "[" + std::to_string(marks.size()) + "]", marks});
  }
  spec.weights = "{\"w\":{\"kind\":\"uniform\",\"bits\":" + std::to_string(bits) +
                 ",\"columns\":" + std::to_string(columns) +
                 ",\"limit\":0.75,\"zero_rows\":" + (zeros ? "true}}" : "false}}");
  const Opened opened(folder, bytes_of(spec));
  expect_opened(opened);
  const float half_step = .75f / static_cast<float>((1 << bits) - 1);
  std::vector<float> expected;
  for (int64_t i = 0; i < rows * columns; ++i) {
    int k = 0;
    for (int b = 0; b < bits; ++b) {
      const int64_t at = i % columns * bits + b;
      k |= (packed[static_cast<size_t>(i / columns * width + at / 8)] >> at % 8 & 1) << b;
    }
    const float value = static_cast<float>(2 * k - (1 << bits) + 1) * half_step;
    expected.push_back(zeros && i / columns == 1 ? 0 : value);
  }
  const bcq_weight* const weight = bcq_find(opened.file, "w");
  if (weight == nullptr) return expect(false, "found");
  expect(weight->kind == BCQ_UNIFORM && weight->uniform.half_step == half_step, "kind");
  expect_rows(*weight, expected);
}

void test_compositional(const Folder& folder, bcq_type type, int64_t count, int64_t entries,
                        int bits) {
  context = "compositional of " + std::to_string(entries) + " entries";
  const int64_t rows = 23, columns = 17;
  const std::string packed = random_fields(rows, count, bits, static_cast<uint32_t>(entries));
  const auto width = static_cast<int64_t>(packed.size()) / rows;
  const Numbers codebooks = random_numbers(type, count * entries * columns);
  const std::string shape = "[" + std::to_string(count) + "," + std::to_string(entries) + ",17]";
  const Spec spec{{float_part("w/codebooks", codebooks, shape, false),
                   {"w/packed", "U8", shape_of(rows, width), packed}},
                  "{\"w\":{\"kind\":\"compositional\"}}"};
  const Opened opened(folder, bytes_of(spec));
  expect_opened(opened);
  std::vector<float> expected(static_cast<size_t>(rows * columns));
  for (int64_t i = 0; i < rows * columns; ++i) {
    for (int64_t m = 0; m < count; ++m) {
      int64_t index = 0;
      for (int b = 0; b < bits; ++b) {
        const int64_t at = m * bits + b;
        index |= int64_t{packed[static_cast<size_t>(i / columns * width + at / 8)] >> at % 8 & 1}
                 << b;
      }
      expected[static_cast<size_t>(i)] += codebooks[(m * entries + index) * columns + i % columns];
    }
  }
  const bcq_weight* const weight = bcq_find(opened.file, "w");
  if (weight == nullptr) return expect(false, "found");
  expect(weight->kind == BCQ_COMPOSITIONAL && weight->compositional.bits == bits, "kind");
  expect_rows(*weight, expected);
}

}  // namespace

int main() {
  const Folder folder;
  test_forms(folder);
  for (int bits = 1; bits <= 8; ++bits) test_uniform(folder, bits, 21, 13, bits % 2);
  test_uniform(folder, 3, 1, 1, false);
  test_compositional(folder, BCQ_FLOAT32, 3, 5, 3);
  test_compositional(folder, BCQ_FLOAT16, 2, 1, 1);
  test_compositional(folder, BCQ_FLOAT16, 5, 256, 8);
  test_compositional(folder, BCQ_FLOAT32, 1, 300, 9);
  return finish();
}
