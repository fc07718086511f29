/* Rows of packed integers and the gradient of codebooks: against plain loops, in memory without a
 * byte to spare. */
#include "core/gradients/gradients.h"
#include "core/lookup/lookup.h"

#include <memory>

#include "tests/matrices.h"

using namespace bcq_test;

namespace {

/* Rows of random fields below `limit`, in exactly as many bytes as they take. */
struct Fields {
  int64_t rows, columns, bits;
  std::vector<uint32_t> values;
  std::vector<uint8_t> packed;

  Fields(int64_t rows, int64_t columns, int64_t bits, uint32_t limit)
      : rows(rows), columns(columns), bits(bits), packed(rows * width()) {
    for (int64_t i = 0; i < rows * columns; ++i) {
      values.push_back(random_bits() % limit);
      for (int64_t b = 0; b < bits; ++b) {
        const int64_t at = i % columns * bits + b;
        packed[i / columns * width() + at / 8] |= (values.back() >> b & 1) << at % 8;
      }
    }
  }
  int64_t width() const { return (columns * bits + 7) / 8; }
};

struct RandomIds {
  std::vector<int64_t> wide;
  std::vector<int32_t> narrow;

  RandomIds(int64_t rows, int64_t count) {
    for (int64_t i = 0; i < count; ++i) wide.push_back(random_bits() % rows);
    if (count > 1) wide.back() = rows - 1; /* whose bytes end the table */
    narrow.assign(wide.begin(), wide.end());
  }
  bcq_ids of(int32_t bytes) const {
    return {bytes == 8 ? static_cast<const void*>(wide.data()) : narrow.data(), bytes};
  }
};

std::vector<bcq_parallel> parallels() {
  bcq_parallel many = scattered();
  many.threads = 64;
  return {alone(), scattered(), many};
}

/* Memory of its own, so that a step too far is seen. */
std::vector<float> garbage(int64_t count) { return std::vector<float>(count, NAN); }

void expect_same(const std::vector<float>& found, const std::vector<float>& expected) {
  for (size_t i = 0; i < expected.size(); ++i) {
    if (memcmp(&found[i], &expected[i], sizeof(float))) {
      return expect(false, "number " + std::to_string(i) + " is " + std::to_string(found[i]) +
                               ", not " + std::to_string(expected[i]));
    }
  }
}

void test_uniform(int32_t bits, int64_t rows, int64_t columns, int64_t count, bool zeros) {
  context = "uniform, " + std::to_string(bits) + " bits, " + std::to_string(rows) + "x" +
            std::to_string(columns) + ", ids " + std::to_string(count);
  const Fields fields(rows, columns, bits, 1u << bits);
  std::vector<uint8_t> marks((rows + 7) / 8);
  for (int64_t r = 0; r < rows; r += 3) marks[r / 8] |= zeros << r % 8;
  const float half_step = .3721f;
  const bcq_uniform table = {
      rows, columns, bits, half_step, fields.packed.data(), zeros ? marks.data() : nullptr};
  const RandomIds ids(rows, count);
  std::vector<float> expected;
  for (int64_t id : ids.wide) {
    for (int64_t c = 0; c < columns; ++c) {
      const int k = static_cast<int>(fields.values[id * columns + c]);
      const float level = static_cast<float>(2 * k - (1 << bits) + 1) * half_step;
      expected.push_back(zeros && id % 3 == 0 ? 0 : level);
    }
  }
  for (int32_t id_bytes : {4, 8}) {
    for (const bcq_parallel& parallel : parallels()) {
      std::vector<float> out = garbage(count * columns);
      int64_t bad = -7;
      expect(
          bcq_uniform_rows(&table, ids.of(id_bytes), count, out.data(), &bad, parallel) == BCQ_OK &&
              bad == -7,
          "status");
      expect_same(out, expected);
    }
  }
}

struct Compositional {
  Fields fields;
  Numbers codebooks;
  bcq_compositional table;

  Compositional(bcq_type type, int64_t rows, int64_t count, int64_t entries, int64_t columns,
                int32_t bits)
      : fields(rows, count, bits, static_cast<uint32_t>(entries)),
        codebooks(random_numbers(type, count * entries * columns)),
        table{rows, count, entries, columns, bits, type, fields.packed.data(), codebooks.data()} {}

  int64_t element(int64_t id, int64_t m, int64_t c) const {
    const int64_t vector = m * table.entries + fields.values[id * table.count + m];
    return vector * table.columns + c;
  }
};

void test_compositional(bcq_type type, int64_t rows, int64_t count, int64_t entries,
                        int64_t columns, int32_t bits, int64_t batch) {
  context = "compositional, type " + std::to_string(type) + ", M " + std::to_string(count) +
            ", K " + std::to_string(entries) + ", D " + std::to_string(columns) + ", bits " +
            std::to_string(bits) + ", ids " + std::to_string(batch);
  const Compositional w(type, rows, count, entries, columns, bits);
  const RandomIds ids(rows, batch);
  const Numbers dout = random_numbers(BCQ_FLOAT32, batch * columns);
  std::vector<float> expected, sums(w.codebooks.count());
  for (int64_t i = 0; i < batch; ++i) {
    for (int64_t c = 0; c < columns; ++c) {
      float sum = 0;
      for (int64_t m = 0; m < count; ++m) {
        const int64_t element = w.element(ids.wide[i], m, c);
        sum += w.codebooks[element];
        sums[element] += dout[i * columns + c]; /* in the order of the ids */
      }
      expected.push_back(sum);
    }
  }
  for (int32_t id_bytes : {4, 8}) {
    for (const bcq_parallel& parallel : parallels()) {
      int64_t bad = -7;
      std::vector<float> out = garbage(batch * columns), gradient = garbage(w.codebooks.count());
      expect(bcq_compositional_rows(&w.table, ids.of(id_bytes), batch, out.data(), &bad,
                                    parallel) == BCQ_OK,
             "status");
      expect_same(out, expected);
      expect(bcq_compositional_gradient(&w.table, ids.of(id_bytes), batch,
                                        static_cast<const float*>(dout.at(0)), gradient.data(),
                                        &bad, parallel) == BCQ_OK &&
                 bad == -7,
             "status");
      expect_same(gradient, sums);
    }
  }
}

void test_bad_ids() {
  const Fields fields(9, 5, 3, 8);
  const bcq_uniform uniform = {9, 5, 3, 1, fields.packed.data(), nullptr};
  const Compositional w(BCQ_FLOAT32, 9, 5, 8, 4, 3);
  for (int64_t id : {int64_t{-1}, int64_t{9}, INT64_MAX, INT64_MIN}) {
    for (int64_t first : {3, 65, 199}) {
      context = "bad id " + std::to_string(id) + " at " + std::to_string(first);
      RandomIds ids(9, 200);
      ids.wide[first] = ids.wide[199] = id;
      for (const bcq_parallel& parallel : parallels()) {
        std::vector<float> out = garbage(200 * 5), sums = garbage(5 * 8 * 4);
        int64_t bad[3] = {-7, -7, -7};
        expect(
            bcq_uniform_rows(&uniform, ids.of(8), 200, out.data(), &bad[0], parallel) == BCQ_BAD_ID,
            "uniform");
        expect(bcq_compositional_rows(&w.table, ids.of(8), 200, out.data(), &bad[1], parallel) ==
                   BCQ_BAD_ID,
               "compositional");
        expect(bcq_compositional_gradient(&w.table, ids.of(8), 200, out.data(), sums.data(),
                                          &bad[2], parallel) == BCQ_BAD_ID,
               "gradient");
        for (int64_t found : bad) expect(found == first, "the first bad id");
      }
    }
  }
}

/* An index beyond a codebook's entries is no step out of the memory. */
void test_bad_indexes() {
  for (int32_t bits : {3, 11}) {
    context = "bad index of " + std::to_string(bits) + " bits";
    const Compositional w(BCQ_FLOAT32, 1, 2, 1 << bits, 3, bits);
    const uint32_t largest = std::max(w.fields.values[0], w.fields.values[1]);
    bcq_compositional table = w.table;
    const int64_t id = 0;
    std::vector<float> out = garbage(3), sums = garbage(w.codebooks.count());
    const auto statuses = [&](bcq_status expected) {
      int64_t bad = 0;
      expect(bcq_compositional_rows(&table, {&id, 8}, 1, out.data(), &bad, alone()) == expected,
             "rows");
      expect(bcq_compositional_gradient(&table, {&id, 8}, 1, out.data(), sums.data(), &bad,
                                        alone()) == expected,
             "gradient");
    };
    table.entries = largest + 1;
    statuses(BCQ_OK);
    if (largest == 0) continue;
    table.entries = largest;
    statuses(BCQ_BAD_ARGUMENT);
  }
}

void test_bad_uniform() {
  const Fields fields(9, 5, 3, 8);
  const bcq_uniform good = {9, 5, 3, 1, fields.packed.data(), nullptr};
  const RandomIds ids(9, 6);
  std::vector<float> out(30);
  int64_t bad = 0;
  const auto refuses = [&](const char* what, const bcq_uniform* table, bcq_ids ids, int64_t count,
                           float* to, int64_t* bad) {
    context = std::string("bad arguments, uniform: ") + what;
    expect(bcq_uniform_rows(table, ids, count, to, bad, alone()) == BCQ_BAD_ARGUMENT, "status");
  };
  const auto refuses_change = [&](const char* what, auto change) {
    bcq_uniform table = good;
    change(table);
    refuses(what, &table, ids.of(8), 6, out.data(), &bad);
  };
  refuses("no table", nullptr, ids.of(8), 6, out.data(), &bad);
  refuses("width of ids", &good, {ids.wide.data(), 2}, 6, out.data(), &bad);
  refuses("ids", &good, {nullptr, 8}, 6, out.data(), &bad);
  refuses("count", &good, ids.of(8), -1, out.data(), &bad);
  refuses("large count", &good, ids.of(8), INT64_MAX / 4, out.data(), &bad);
  refuses("out", &good, ids.of(8), 6, nullptr, &bad);
  refuses("bad", &good, ids.of(8), 6, out.data(), nullptr);
  refuses_change("rows", [](bcq_uniform& t) { t.rows = -1; });
  refuses_change("columns", [](bcq_uniform& t) { t.columns = 0; });
  refuses_change("too few bits", [](bcq_uniform& t) { t.bits = 0; });
  refuses_change("too many bits", [](bcq_uniform& t) { t.bits = 9; });
  refuses_change("large", [](bcq_uniform& t) { t.rows = INT64_MAX / 4; });
  refuses_change("packed", [](bcq_uniform& t) { t.packed = nullptr; });
}

void test_bad_compositional() {
  const Compositional w(BCQ_FLOAT32, 9, 5, 8, 4, 3);
  const RandomIds ids(9, 6);
  std::vector<float> out(30), sums(5 * 8 * 4);
  int64_t bad = 0;
  const auto refuses = [&](const char* what, auto change, bool gradient_too = true) {
    context = std::string("bad arguments, compositional: ") + what;
    bcq_compositional table = w.table;
    change(table);
    expect(
        bcq_compositional_rows(&table, ids.of(8), 6, out.data(), &bad, alone()) == BCQ_BAD_ARGUMENT,
        "rows");
    if (!gradient_too) return;
    expect(bcq_compositional_gradient(&table, ids.of(8), 6, out.data(), sums.data(), &bad,
                                      alone()) == BCQ_BAD_ARGUMENT,
           "gradient");
  };
  refuses("rows", [](bcq_compositional& t) { t.rows = -1; });
  refuses("count", [](bcq_compositional& t) { t.count = 0; });
  refuses("columns", [](bcq_compositional& t) { t.columns = 0; });
  refuses("no entries", [](bcq_compositional& t) { t.entries = 0; });
  refuses("entries", [](bcq_compositional& t) { t.entries = 9; });
  refuses("too few bits", [](bcq_compositional& t) { t.bits = 0; });
  refuses("too many bits", [](bcq_compositional& t) { t.bits = 17; });
  refuses("large", [](bcq_compositional& t) { t.count = INT64_MAX / 4; });
  refuses("large vectors", [](bcq_compositional& t) { t.columns = INT64_MAX / 4; });
  refuses("type", [](bcq_compositional& t) { t.type = BCQ_BFLOAT16; });
  refuses("packed", [](bcq_compositional& t) { t.packed = nullptr; });
  refuses("codebooks", [](bcq_compositional& t) { t.codebooks = nullptr; }, false);
  context = "bad arguments, gradient";
  expect(bcq_compositional_gradient(&w.table, ids.of(8), 6, out.data(), nullptr, &bad, alone()) ==
             BCQ_BAD_ARGUMENT,
         "dcodebooks");
  expect(bcq_compositional_gradient(&w.table, ids.of(8), 6, nullptr, sums.data(), &bad, alone()) ==
             BCQ_BAD_ARGUMENT,
         "dout");
}

}  // namespace

int main() {
  for (int32_t bits = 1; bits <= 8; ++bits) {
    for (int64_t columns : {1, 5, 16, 50, 300}) {
      test_uniform(bits, 21, columns, 70, columns != 16);
    }
    test_uniform(bits, 1, 7, 1, true);
    test_uniform(bits, 3, 40, 0, true);
    test_uniform(bits, 5000, 33, 700, false);
  }
  for (bcq_type type : {BCQ_FLOAT32, BCQ_FLOAT16}) {
    for (int32_t bits = 1; bits <= 16; ++bits) {
      const int64_t entries = bits == 1 ? 2 : (int64_t{1} << (bits - 1)) + 1;
      test_compositional(type, 30, 3, entries, 5, bits, 70);
    }
    for (int64_t columns : {1, 15, 16, 17, 50, 64, 65, 79, 300}) {
      test_compositional(type, 30, 16, 16, columns, 4, 70);
    }
    test_compositional(type, 1, 1, 1, 1, 1, 1);
    test_compositional(type, 30, 70, 6, 20, 3, 5);
    test_compositional(type, 30, 33, 600, 33, 10, 130);
    test_compositional(type, 9, 4, 16, 100, 4, 0);
  }
  test_bad_ids();
  test_bad_indexes();
  test_bad_uniform();
  test_bad_compositional();
  return finish();
}
