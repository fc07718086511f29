/* Rows of embedding tables and their gradients: against plain loops, in memory without a byte to
 * spare. */
#include "core/embedding/embedding.h"

#include <map>

#include "tests/tables_case.h"

using namespace bcq_test;

namespace {

const bcq_type kTypes[] = {BCQ_FLOAT32, BCQ_FLOAT16, BCQ_BFLOAT16};

void test_gather(const TablesCase& w, bcq_type type, int32_t id_bytes) {
  const Numbers table = random_numbers(type, w.first(w.count()));
  const std::vector<int64_t> elements = w.elements();
  const bcq_tables tables = w.tables();
  for (const bcq_parallel& parallel : {alone(), scattered()}) {
    Numbers out(type, w.batch * w.columns());
    int64_t bad = -7;
    expect(bcq_tables_gather(&tables, type, table.at(0), w.ids_of(id_bytes), w.batch, out.data(),
                             &bad, parallel) == BCQ_OK &&
               bad == -7,
           "status");
    for (size_t i = 0; i < elements.size(); ++i) {
      if (memcmp(out.at(i), table.at(elements[i]), table.size())) {
        return expect(false, "element " + std::to_string(i));
      }
    }
  }
}

void test_gradient(const TablesCase& w, bcq_type type, int32_t id_bytes) {
  const Numbers dout = random_numbers(type, w.batch * w.columns());
  const std::vector<int64_t> elements = w.elements();
  std::vector<float> sums(w.first(w.count())); /* in the order of the batch */
  for (size_t i = 0; i < elements.size(); ++i) sums[elements[i]] += dout[i];
  const std::vector<double> expected(sums.begin(), sums.end()), none(sums.size());
  const bcq_tables tables = w.tables();
  bcq_parallel many = scattered();
  many.threads = 64;
  for (const bcq_parallel& parallel : {alone(), scattered(), many}) {
    Numbers dtable(type, static_cast<int64_t>(sums.size()));
    int64_t bad = -7;
    expect(bcq_tables_gradient(&tables, type, w.ids_of(id_bytes), w.batch, dout.at(0),
                               dtable.data(), &bad, parallel) == BCQ_OK &&
               bad == -7,
           "status");
    expect_near(dtable, expected, none, dtable.rounding(), "gradient");
  }
}

void test_unique(const TablesCase& w, int32_t id_bytes) {
  std::vector<int64_t> expected;
  std::vector<int32_t> slots, narrow(w.batch);
  std::map<int64_t, int32_t> seen;
  for (int64_t id : w.wide) {
    if (!seen.count(id)) expected.push_back(id);
    slots.push_back(seen.emplace(id, static_cast<int32_t>(seen.size())).first->second);
  }
  std::vector<int64_t> unique(w.batch);
  std::vector<int32_t> found_slots(w.batch);
  void* to = id_bytes == 8 ? static_cast<void*>(unique.data()) : narrow.data();
  int64_t found = -7, bad = -7;
  expect(bcq_unique_ids(w.ids_of(id_bytes), w.batch, w.sizes[0], to, found_slots.data(), &found,
                        &bad) == BCQ_OK &&
             bad == -7,
         "status");
  expect(found == static_cast<int64_t>(expected.size()) && found_slots == slots, "slots");
  for (size_t i = 0; i < expected.size(); ++i) {
    expect((id_bytes == 8 ? unique[i] : narrow[i]) == expected[i], "unique");
  }
}

void test_bad_arguments() {
  const TablesCase w({5, 9}, {3, 20}, 4);
  const bcq_tables tables = w.tables();
  Numbers table(BCQ_FLOAT32, w.first(2)), out(BCQ_FLOAT32, 4 * 23);
  int64_t bad = 0;
  const auto refuses = [&](const char* what, const bcq_tables* t, int type, bcq_ids ids,
                           int64_t batch, void* from, void* to, int64_t* bad) {
    const bcq_type as = static_cast<bcq_type>(type);
    context = std::string("bad arguments: ") + what;
    expect(bcq_tables_gather(t, as, from, ids, batch, to, bad, alone()) == BCQ_BAD_ARGUMENT,
           "gather");
    expect(bcq_tables_gradient(t, as, ids, batch, to, from, bad, alone()) == BCQ_BAD_ARGUMENT,
           "gradient");
  };
  const bcq_ids ids = w.ids_of(8);
  const std::vector<int64_t> negative = {5, -1}, zero = {3, 0}, huge = {5, INT64_MAX / 4};
  const bcq_tables none = {0, w.sizes.data(), w.dims.data()};
  const bcq_tables sizes = {2, negative.data(), w.dims.data()};
  const bcq_tables dims = {2, w.sizes.data(), zero.data()};
  const bcq_tables large = {2, huge.data(), w.dims.data()};
  refuses("no tables", nullptr, 0, ids, 4, table.data(), out.data(), &bad);
  refuses("count of tables", &none, 0, ids, 4, table.data(), out.data(), &bad);
  refuses("sizes", &sizes, 0, ids, 4, table.data(), out.data(), &bad);
  refuses("dims", &dims, 0, ids, 4, table.data(), out.data(), &bad);
  refuses("large", &large, 0, ids, 4, table.data(), out.data(), &bad);
  refuses("type", &tables, 3, ids, 4, table.data(), out.data(), &bad);
  refuses("batch", &tables, 0, ids, -1, table.data(), out.data(), &bad);
  refuses("width of ids", &tables, 0, {ids.data, 2}, 4, table.data(), out.data(), &bad);
  refuses("ids", &tables, 0, {nullptr, 8}, 4, table.data(), out.data(), &bad);
  refuses("table", &tables, 0, ids, 4, nullptr, out.data(), &bad);
  refuses("out", &tables, 0, ids, 4, table.data(), nullptr, &bad);
  refuses("bad", &tables, 0, ids, 4, table.data(), out.data(), nullptr);
}

void test_bad_ids() {
  const TablesCase w({5, 9}, {3, 20}, 4);
  const bcq_tables tables = w.tables();
  Numbers table(BCQ_FLOAT32, w.first(2)), out(BCQ_FLOAT32, 4 * 23);
  for (int64_t id : {int64_t{-1}, int64_t{9}, INT64_MAX, INT64_MIN}) {
    context = "bad id " + std::to_string(id);
    std::vector<int64_t> wrong = w.wide, unique(8);
    wrong[3] = wrong[6] = id;
    const bcq_ids ids = {wrong.data(), 8};
    int64_t bad[3] = {}, found = 0;
    int32_t slots[8];
    expect(bcq_tables_gather(&tables, BCQ_FLOAT32, table.data(), ids, 4, out.data(), &bad[0],
                             alone()) == BCQ_BAD_ID,
           "gather");
    expect(bcq_tables_gradient(&tables, BCQ_FLOAT32, ids, 4, out.data(), table.data(), &bad[1],
                               alone()) == BCQ_BAD_ID,
           "gradient");
    expect(bcq_unique_ids(ids, 8, 9, unique.data(), slots, &found, &bad[2]) == BCQ_BAD_ID,
           "unique");
    for (int64_t index : bad) expect(index == 3, "the first bad id");
  }
  context = "unique ids of nothing";
  int64_t found = 0, bad = 0;
  expect(bcq_unique_ids({nullptr, 8}, 1, 9, nullptr, nullptr, &found, &bad) == BCQ_BAD_ARGUMENT,
         "no ids");
  expect(bcq_unique_ids({nullptr, 8}, 0, 9, nullptr, nullptr, &found, &bad) == BCQ_OK && found == 0,
         "0 ids");
}

}  // namespace

int main() {
  std::vector<int64_t> ten_sizes, ten_dims, every_dim, many_sizes;
  for (int64_t t = 0; t < 10; ++t) ten_sizes.push_back(1 + 7 * t), ten_dims.push_back(1 + 3 * t);
  for (int64_t dim = 1; dim <= 40; ++dim) every_dim.push_back(dim), many_sizes.push_back(3);
  const std::pair<std::vector<int64_t>, std::vector<int64_t>> forms[] = {
      {{1}, {1}},    {{7}, {8}},    {{300}, {33}},         {{20000}, {5}},
      {{50}, {256}}, {{4}, {1000}}, {ten_sizes, ten_dims}, {many_sizes, every_dim}};
  for (const auto& form : forms) {
    for (int64_t batch : {0, 1, 5, 700}) {
      const TablesCase w(form.first, form.second, batch, batch == 5 ? kFewIds : kAnyIds);
      for (int32_t id_bytes : {4, 8}) {
        for (bcq_type type : kTypes) {
          context = w.name() + ", type " + std::to_string(type);
          test_gather(w, type, id_bytes);
          test_gradient(w, type, id_bytes);
        }
        if (w.count() == 1) test_unique(w, id_bytes);
      }
    }
  }
  test_bad_arguments();
  test_bad_ids();
  return finish();
}
