/* The CUDA kernels of the embeddings, run thread by thread on the CPU (cuda_emulator.h), against
 * plain loops. */
#include "cuda/embedding.cu"
#include "tests/matrices.h"

using namespace bcq_test;
using bcq_cuda::emulator::Order;

namespace {

struct Case {
  std::vector<int64_t> sizes, dims;
  int64_t batch;
  bool bad; /* some ids are no rows */
  std::vector<int64_t> wide;
  std::vector<int32_t> narrow;

  Case(std::vector<int64_t> sizes, std::vector<int64_t> dims, int64_t batch, bool bad)
      : sizes(sizes), dims(dims), batch(batch), bad(bad) {
    for (int64_t i = 0; i < batch * Count(); ++i) {
      const int64_t size = sizes[i % Count()];
      wide.push_back(bad && i % 5 == 2 ? (i % 2 ? -1 - i : size + i) : random_bits() % size);
      narrow.push_back(static_cast<int32_t>(wide.back()));
    }
  }
  int64_t Count() const { return static_cast<int64_t>(sizes.size()); }
  bcq_tables Tables() const { return {Count(), sizes.data(), dims.data()}; }
  bcq_ids Ids(int32_t bytes) const {
    return {bytes == 8 ? static_cast<const void*>(wide.data()) : narrow.data(), bytes};
  }
  int64_t Columns() const {
    int64_t sum = 0;
    for (int64_t dim : dims) sum += dim;
    return sum;
  }
  int64_t First(int64_t table) const {
    int64_t first = 0;
    for (int64_t t = 0; t < table; ++t) first += sizes[t] * dims[t];
    return first;
  }
  /* The element of the tables that each element of the result is; -1: none. */
  std::vector<int64_t> Elements() const {
    std::vector<int64_t> elements;
    for (int64_t i = 0; i < batch * Count(); ++i) {
      const int64_t t = i % Count();
      const bool is_row = wide[i] >= 0 && wide[i] < sizes[t];
      for (int64_t c = 0; c < dims[t]; ++c) {
        elements.push_back(is_row ? First(t) + wide[i] * dims[t] + c : -1);
      }
    }
    return elements;
  }
  std::string Name() const {
    std::string name = "batch " + std::to_string(batch) + (bad ? ", bad ids" : "") + ", tables";
    for (int64_t t = 0; t < Count(); ++t) {
      name += " " + std::to_string(sizes[t]) + "x" + std::to_string(dims[t]);
    }
    return name;
  }
};

void TestGather(const Case& w, bcq_type type, int32_t id_bytes) {
  const Numbers table = RandomNumbers(type, w.First(w.Count()));
  Numbers out(type, w.batch * w.Columns());
  const bcq_tables tables = w.Tables();
  Expect(bcq_cuda_tables_gather(&tables, type, table.at(0), w.Ids(id_bytes), w.batch, out.data(),
                                nullptr) == BCQ_OK, "status");
  const std::vector<int64_t> elements = w.Elements();
  for (size_t i = 0; i < elements.size(); ++i) {
    const bool right = elements[i] < 0 ? isnan(out[i]) : out[i] == table[elements[i]];
    if (!right) return Expect(false, "element " + std::to_string(i));
  }
}

void TestGradient(const Case& w, bcq_type type, int32_t id_bytes, int32_t deterministic) {
  const Numbers dout = RandomNumbers(type, w.batch * w.Columns());
  const std::vector<int64_t> elements = w.Elements();
  std::vector<double> sums(w.First(w.Count())), bounds(sums.size());
  for (size_t i = 0; i < elements.size(); ++i) {
    if (elements[i] < 0) continue;
    sums[elements[i]] += dout[i];
    bounds[elements[i]] += 1e-6 * fabs(dout[i]);
  }
  const bcq_tables tables = w.Tables();
  const int64_t bytes =
      bcq_cuda_tables_gradient_workspace(&tables, type, w.batch, deterministic);
  std::vector<char> before;
  for (Order order : {Order::kForward, Order::kBackward, Order::kShuffled}) {
    bcq_cuda::emulator::order = order;
    std::vector<char> workspace(bytes, 0x5a);
    Numbers dtable(type, static_cast<int64_t>(sums.size()));
    Expect(bcq_cuda_tables_gradient(&tables, type, w.Ids(id_bytes), w.batch, dout.at(0),
                                    dtable.data(), deterministic, workspace.data(),
                                    nullptr) == BCQ_OK, "status");
    ExpectNear(dtable, sums, bounds, dtable.Rounding(), "gradient");
    Expect(!deterministic || before.empty() || before == dtable.bytes, "bits by order");
    before = dtable.bytes;
  }
}

void TestBadArguments() {
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
    Expect(bcq_cuda_tables_gather(t, as, from, ids, batch, to, nullptr) == BCQ_BAD_ARGUMENT,
           "gather");
    Expect(bcq_cuda_tables_gradient(t, as, ids, batch, to, from, 1, nullptr, nullptr) ==
               BCQ_BAD_ARGUMENT, "gradient");
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
  Expect(bcq_cuda_tables_gradient(&tables, BCQ_FLOAT16, good, 2, out.data(), table.data(), 0,
                                  nullptr, nullptr) == BCQ_BAD_ARGUMENT, "none");
  Expect(bcq_cuda_tables_gradient_workspace(&none, BCQ_FLOAT16, 2, 0) == -1, "size");
}

}  // namespace

int main() {
  const char* isa = getenv("BCQ_TF_ISA"); /* CUDA has none of these: once is enough */
  if (isa && strcmp(isa, "portable") != 0) return 0;
  const std::pair<std::vector<int64_t>, std::vector<int64_t>> forms[] = {
      {{1}, {1}}, {{10}, {8}}, {{70}, {33}}, {{130}, {3}}, {{3, 65, 1, 20}, {5, 40, 1, 2}}};
  int turn = 0;
  for (const auto& form : forms) {
    for (int64_t batch : {0, 1, 600}) {
      const Case w(form.first, form.second, batch, ++turn % 2 == 0);
      for (bcq_type type : {BCQ_FLOAT32, turn % 3 ? BCQ_FLOAT16 : BCQ_BFLOAT16}) {
        context = w.Name() + ", type " + std::to_string(type);
        TestGather(w, type, turn % 2 ? 4 : 8);
        TestGradient(w, type, turn % 2 ? 8 : 4, 0);
        TestGradient(w, type, turn % 2 ? 4 : 8, 1);
      }
    }
  }
  context = "a large table";
  const Case large({70000}, {2}, 300, false);
  TestGradient(large, BCQ_FLOAT32, 8, 1);
  TestBadArguments();
  return Finish();
}
