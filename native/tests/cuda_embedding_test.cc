/* The CUDA kernels of the embeddings, run thread by thread on the CPU (cuda_emulator.h), against
 * plain loops. */
#include "cuda/embedding.cu"
#include "tests/tables_case.h"

using namespace bcq_test;
using bcq_cuda::emulator::Order;

namespace {

void test_gather(const TablesCase& w, bcq_type type, int32_t id_bytes) {
  const Numbers table = random_numbers(type, w.first(w.count()));
  Numbers out(type, w.batch * w.columns());
  const bcq_tables tables = w.tables();
  expect(bcq_cuda_tables_gather(&tables, type, table.at(0), w.ids_of(id_bytes), w.batch, out.data(),
                                nullptr) == BCQ_OK,
         "status");
  const std::vector<int64_t> elements = w.elements();
  for (size_t i = 0; i < elements.size(); ++i) {
    const bool right = elements[i] < 0 ? isnan(out[i]) : out[i] == table[elements[i]];
    if (!right) return expect(false, "element " + std::to_string(i));
  }
}

void test_gradient(const TablesCase& w, bcq_type type, int32_t id_bytes, int32_t deterministic) {
  const Numbers dout = random_numbers(type, w.batch * w.columns());
  const std::vector<int64_t> elements = w.elements();
  std::vector<double> sums(w.first(w.count())), bounds(sums.size());
  for (size_t i = 0; i < elements.size(); ++i) {
    if (elements[i] < 0) continue;
    sums[elements[i]] += dout[i];
    bounds[elements[i]] += 1e-6 * fabs(dout[i]);
  }
  const bcq_tables tables = w.tables();
  const int64_t bytes = bcq_cuda_tables_gradient_workspace(&tables, type, w.batch, deterministic);
  std::vector<char> before;
  for (Order order : {Order::kForward, Order::kBackward, Order::kShuffled}) {
    bcq_cuda::emulator::order = order;
    std::vector<char> workspace(bytes, 0x5a);
    Numbers dtable(type, static_cast<int64_t>(sums.size()));
    expect(
        bcq_cuda_tables_gradient(&tables, type, w.ids_of(id_bytes), w.batch, dout.at(0),
                                 dtable.data(), deterministic, workspace.data(), nullptr) == BCQ_OK,
        "status");
    expect_near(dtable, sums, bounds, dtable.rounding(), "gradient");
    expect(!deterministic || before.empty() || before == dtable.bytes, "bits by order");
    before = dtable.bytes;
  }
}

void test_bad_arguments() {
  const std::vector<int64_t> sizes = {4, 5}, dims = {3, 2}, zero = {3, 0}, negative = {4, -1};
  const bcq_tables tables = {2, sizes.data(), dims.data()}, none = {0, sizes.data(), dims.data()};
  const bcq_tables no_dims = {2, sizes.data(), zero.data()};
  const bcq_tables no_sizes = {2, negative.data(), dims.data()};
  std::vector<float> table(22), out(10);
  std::vector<int64_t> ids(4);
  const auto refuses = [&](const char* what, const bcq_tables* t, int type, bcq_ids ids,
                           int64_t batch, float* from, float* to) {
    const bcq_type as = static_cast<bcq_type>(type);
    context = std::string("bad arguments: ") + what;
    expect(bcq_cuda_tables_gather(t, as, from, ids, batch, to, nullptr) == BCQ_BAD_ARGUMENT,
           "gather");
    expect(bcq_cuda_tables_gradient(t, as, ids, batch, to, from, 1, nullptr, nullptr) ==
               BCQ_BAD_ARGUMENT,
           "gradient");
  };
  const bcq_ids good = {ids.data(), 8};
  refuses("no tables", nullptr, 0, good, 2, table.data(), out.data());
  refuses("count", &none, 0, good, 2, table.data(), out.data());
  refuses("dims", &no_dims, 0, good, 2, table.data(), out.data());
  refuses("sizes", &no_sizes, 0, good, 2, table.data(), out.data());
  refuses("type", &tables, 7, good, 2, table.data(), out.data());
  refuses("batch", &tables, 0, good, -1, table.data(), out.data());
  refuses("width of ids", &tables, 0, {ids.data(), 2}, 2, table.data(), out.data());
  refuses("ids", &tables, 0, {nullptr, 8}, 2, table.data(), out.data());
  refuses("table", &tables, 0, good, 2, nullptr, out.data());
  refuses("out", &tables, 0, good, 2, table.data(), nullptr);
  context = "bad arguments: workspace";
  expect(bcq_cuda_tables_gradient(&tables, BCQ_FLOAT16, good, 2, out.data(), table.data(), 0,
                                  nullptr, nullptr) == BCQ_BAD_ARGUMENT,
         "none");
  expect(bcq_cuda_tables_gradient_workspace(&none, BCQ_FLOAT16, 2, 0) == -1, "size");
}

}  // namespace

int main() {
  const std::pair<std::vector<int64_t>, std::vector<int64_t>> forms[] = {
      {{1}, {1}}, {{10}, {8}}, {{70}, {33}}, {{130}, {3}}, {{3, 65, 1, 20}, {5, 40, 1, 2}}};
  int turn = 0;
  for (const auto& form : forms) {
    for (int64_t batch : {0, 1, 600}) {
      const TablesCase w(form.first, form.second, batch, ++turn % 2 == 0 ? kBadIds : kAnyIds);
      for (bcq_type type : {BCQ_FLOAT32, turn % 3 ? BCQ_FLOAT16 : BCQ_BFLOAT16}) {
        context = w.name() + ", type " + std::to_string(type);
        test_gather(w, type, turn % 2 ? 4 : 8);
        test_gradient(w, type, turn % 2 ? 8 : 4, 0);
        test_gradient(w, type, turn % 2 ? 4 : 8, 1);
      }
    }
  }
  context = "a large table";
  const TablesCase large({70000}, {2}, 300);
  test_gradient(large, BCQ_FLOAT32, 8, 1);
  test_bad_arguments();
  return finish();
}
