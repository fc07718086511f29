/* Coverage-guided fuzzing of the reader and the runner, with Clang's libFuzzer: `make fuzz`.
 *
 * An input is a file, or text from which one is made with lengths and checksums that are right:
 *
 *   weights      JSON
 *   metadata     JSON, the graph in it
 *   NAME DTYPE SHAPE     of each tensor, SHAPE as [2,3]
 *                an empty line, and the tensors' data one after the other
 */
#include <string_view>

#include "runtime/bcq_graph.h"
#include "tests/file_use.h"

using namespace bcq_test;

namespace {

constexpr int64_t kMostBytes = 32 << 20, kMostOperations = 300'000;
constexpr size_t kMostParts = 200;

std::string_view cut(std::string_view* text, char at) {
  const size_t end = std::min(text->find(at), text->size());
  const std::string_view first = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return first;
}

/* How many bytes a tensor has as it says; all that are left where it says no such thing. */
size_t bytes_wanted(const Part& part, size_t left) {
  const std::string& d = part.dtype;
  size_t count = d.find("64") != d.npos   ? 8
                 : d.find("32") != d.npos ? 4
                 : d.find("16") != d.npos ? 2
                                          : 1;
  for (size_t i = 0; i < part.shape.size();) {
    char* end;
    const unsigned long long n = strtoull(part.shape.c_str() + i, &end, 10);
    const auto after = static_cast<size_t>(end - part.shape.c_str());
    if (after > i && __builtin_mul_overflow(count, n, &count)) return left;
    i = std::max(after, i + 1);
  }
  return std::min(count, left);
}

std::string file_of(std::string_view text) {
  Spec spec;
  spec.weights = cut(&text, '\n');
  spec.metadata = cut(&text, '\n');
  while (spec.parts.size() < kMostParts) {
    std::string_view line = cut(&text, '\n');
    if (line.empty()) break;
    Part part;
    part.name = cut(&line, ' ');
    part.dtype = cut(&line, ' ');
    part.shape = line;
    spec.parts.push_back(part);
  }
  for (Part& part : spec.parts) {
    const size_t size = bytes_wanted(part, text.size());
    part.data = text.substr(0, size);
    text.remove_prefix(size);
  }
  return bytes_of(spec);
}

/* An input of small whole numbers for what a function takes. */
struct Given {
  std::vector<int64_t> shape;
  std::vector<double> numbers; /* in memory that any type is aligned in */
  bcq_array array;

  explicit Given(const bcq_input& wanted) {
    const int32_t rank = wanted.rank < 0 ? 2 : wanted.rank;
    int64_t count = 1;
    for (int32_t i = 0; i < rank; ++i) {
      shape.push_back(wanted.rank < 0 || wanted.shape[i] < 0 ? 2 : wanted.shape[i]);
      count = count > 1 << 16 ? count : count * std::min<int64_t>(shape.back(), 1 << 16);
    }
    count = std::min<int64_t>(count, 1 << 16);
    numbers.resize(static_cast<size_t>(count) + 1);
    const auto dtype = wanted.dtype < 0 ? BCQ_F32 : static_cast<bcq_dtype>(wanted.dtype);
    static const int kBytes[] = {8, 4, 2, 2, 1, 1, 8, 4, 2, 1, 8, 4, 2, 1, 1};
    for (int64_t i = 0; i < count; ++i) {
      if (dtype == BCQ_F64) numbers[i] = static_cast<double>(i % 5);
      if (dtype == BCQ_F32) reinterpret_cast<float*>(numbers.data())[i] = static_cast<float>(i % 5);
      if (dtype == BCQ_I32) reinterpret_cast<int32_t*>(numbers.data())[i] = i % 3;
      if (dtype == BCQ_I64) reinterpret_cast<int64_t*>(numbers.data())[i] = i % 3;
      if (dtype == BCQ_BOOL) reinterpret_cast<uint8_t*>(numbers.data())[i] = i % 2;
    }
    array = {dtype, rank, shape.data(), numbers.data(), count * kBytes[dtype]};
  }
  Given(const Given&) = delete;
};

void run(bcq_model* model, const char* function) {
  std::vector<std::unique_ptr<Given>> given;
  std::vector<bcq_array> inputs, outputs(static_cast<size_t>(bcq_output_count(model, function)));
  for (int64_t i = 0; i < bcq_input_count(model, function); ++i) {
    given.push_back(std::make_unique<Given>(*bcq_input_at(model, function, i)));
    inputs.push_back(given.back()->array);
  }
  char message[300];
  const bcq_status status = bcq_run(
      model, function, inputs.data(), static_cast<int64_t>(inputs.size()), outputs.data(),
      static_cast<int64_t>(outputs.size()), bcq_pool_parallel(nullptr), message, sizeof message);
  expect((status == BCQ_OK) == (message[0] == '\0'), "a message where it fails");
  if (status != BCQ_OK) return;
  for (const bcq_array& each : outputs) sum(static_cast<const uint8_t*>(each.data), each.bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const bool is_file = text.substr(0, 6) == "\x93NUMPY";
  const std::string bytes = is_file ? std::string(text) : file_of(text);
  std::vector<uint64_t> memory(bytes.size() / 8 + 1); /* its own, to the byte nearly */
  memcpy(memory.data(), bytes.data(), bytes.size());
  char message[300];
  bcq_file* file;
  const bcq_status status =
      bcq_open_memory(memory.data(), bytes.size(), &file, message, sizeof message);
  expect((status == BCQ_OK) == (message[0] == '\0'), "a message where it is refused");
  if (status == BCQ_OK) {
    use(file);
    bcq_model* model;
    if (bcq_load(file, &model, message, sizeof message) == BCQ_OK) {
      bcq_set_limits(model, kMostBytes, kMostOperations);
      for (int64_t i = 0; i < bcq_function_count(model); ++i) {
        run(model, bcq_function_name(model, i));
      }
      bcq_unload(model);
    }
    bcq_close(file);
  }
  if (failures > 0) abort();
  return 0;
}
