/* Every operation with random inputs and attributes, most of them wrong: each ends with a status.
 * Sanitizers see whether one reads or writes beside its arrays. */
#include "runtime/graph/operations.h"
#include "tests/graph_case.h"

using namespace bcq_test;
using bcq::graph::AttributeType;
using bcq::graph::Operation;

namespace {

int64_t one_of(std::initializer_list<int64_t> all) {
  return all.begin()[random_bits() % all.size()];
}

int64_t some_integer() {
  if (random_bits() % 8 == 0) {
    return one_of({INT64_MIN, INT64_MAX, INT32_MIN, INT32_MAX, int64_t{1} << 44, 100000});
  }
  return static_cast<int64_t>(random_bits() % 7) - 2;
}

std::string list_of_integers() {
  std::string text;
  const size_t count = random_bits() % 5;
  for (size_t i = 0; i < count; ++i) text += (i ? "," : "") + std::to_string(some_integer());
  return "[" + text + "]";
}

/* Good ones, as others are found when the graph is loaded. */
std::string attribute(AttributeType type) {
  const auto pick = [](std::initializer_list<const char*> all) {
    return std::string("'") + all.begin()[random_bits() % all.size()] + "'";
  };
  switch (type) {
    case AttributeType::kInteger:
      return std::to_string(some_integer());
    case AttributeType::kNumber:
      return "0.5";
    case AttributeType::kFlag:
      return random_bits() % 2 ? "true" : "false";
    case AttributeType::kList:
      return random_bits() % 2 ? "[1,1]" : random_bits() % 2 ? "[1,2]" : list_of_integers();
    case AttributeType::kDtype:
      return pick({"float32", "float64", "int32", "int64", "bool", "float16", "uint8", "int16"});
    case AttributeType::kPrecision:
      return pick({"exact", "fast"});
    case AttributeType::kPadding:
      return pick({"SAME", "VALID", "EXPLICIT"});
    case AttributeType::kMirror:
      return pick({"REFLECT", "SYMMETRIC"});
    default:
      return pick({"ab,bc->ac", "ab,cb->ca", "aab->b", "ab->ba", "...a,...b->...", "a,b->ab",
                   "ab,ab", "a->", "->", "a b", "abcdefghi", ",,,", "...", "a...->...a", "aa->aa",
                   "ab->c"});
  }
}

struct Some {
  std::vector<int64_t> shape;
  std::vector<char> bytes;
  bcq_dtype dtype;

  bcq_array array() const {
    return {dtype, static_cast<int32_t>(shape.size()), shape.data(), bytes.data(),
            static_cast<int64_t>(bytes.size())};
  }
};

template <class T>
void fill(Some* some, int64_t count) {
  std::vector<T> numbers;
  const bool small = random_bits() % 2;
  for (int64_t i = 0; i < count; ++i) {
    numbers.push_back(static_cast<T>(small ? random_bits() % 2 : some_integer()));
  }
  const auto* const bytes = reinterpret_cast<const char*>(numbers.data());
  some->bytes.assign(bytes, bytes + numbers.size() * sizeof(T));
}

/* An array; `kind` says of what most often. */
Some array(int kind) {
  Some some;
  const size_t rank = kind == 0 ? random_bits() % 5 : random_bits() % 2;
  int64_t count = 1;
  for (size_t i = 0; i < rank; ++i) {
    some.shape.push_back(random_bits() % 12 == 0 ? 0 : 1 + random_bits() % 4);
    count *= some.shape.back();
  }
  const uint32_t choice = random_bits() % 12;
  if (kind != 0 && choice < 10) {
    some.dtype = choice < 5 ? BCQ_I32 : BCQ_I64;
  } else {
    const bcq_dtype all[] = {BCQ_F32, BCQ_F32,  BCQ_F32, BCQ_F32, BCQ_F32, BCQ_I32,
                             BCQ_I64, BCQ_BOOL, BCQ_F64, BCQ_U8,  BCQ_F16, BCQ_U32};
    some.dtype = all[choice];
  }
  switch (some.dtype) {
    case BCQ_F64:
      fill<double>(&some, count);
      break;
    case BCQ_F32:
      fill<float>(&some, count);
      break;
    case BCQ_I64:
      fill<int64_t>(&some, count);
      break;
    case BCQ_F16:
      fill<uint16_t>(&some, count);
      break;
    case BCQ_U8:
      fill<uint8_t>(&some, count);
      break;
    case BCQ_BOOL:
      some.bytes.assign(static_cast<size_t>(count), static_cast<char>(random_bits() % 2));
      break;
    default:
      fill<int32_t>(&some, count);
  }
  return some;
}

/* An array with the shape and dtype of another. */
Some like(const Some& other) {
  Some some = other;
  std::reverse(some.bytes.begin(), some.bytes.end());
  return some.dtype == BCQ_BOOL || some.dtype == BCQ_U8 ? some : other;
}

/* Input i of a convolution or of images, of which most go together. */
Some window_array(const Operation& operation, int i) {
  const bool resizes = operation.name[0] == 'r';
  Some some = {{}, {}, BCQ_F32};
  if (resizes ? i == 1 : operation.least == 3 && i == 0) { /* lengths */
    const std::vector<int32_t> lengths = {2, 3, 3, 2};
    const int64_t count = resizes ? 2 : 4;
    some = {{count}, std::vector<char>(static_cast<size_t>(4 * count)), BCQ_I32};
    memcpy(some.bytes.data(), lengths.data(), some.bytes.size());
    return some;
  }
  const bool is_kernel = !resizes && i == 1;
  for (const int64_t length : {2, 3, 3, 2}) {
    const int64_t other = random_bits() % 8 ? length : random_bits() % 5;
    some.shape.push_back(is_kernel && some.shape.size() == 2 ? 2 : other);
  }
  int64_t count = 1;
  for (const int64_t length : some.shape) count *= length;
  fill<float>(&some, count);
  return some;
}

std::string attributes_of(const Operation& operation) {
  std::string text;
  for (const auto& rule : operation.attributes) {
    if (rule.optional && random_bits() % 2) continue;
    text += std::string(text.empty() ? "" : ",") + "'" + rule.name + "':" + attribute(rule.type);
  }
  return text.empty() ? "" : ",'with':{" + text + "}";
}

/* A function of random arrays, and half of the time what it gives once more. */
bool run_once(const Folder& folder, const Operation& operation) {
  const int count = operation.most == bcq::graph::kAny
                        ? 1 + static_cast<int>(random_bits() % 3)
                        : operation.least + static_cast<int>(random_bits() % 2) *
                                                (operation.most - operation.least);
  std::vector<std::string> inputs;
  std::string in;
  std::vector<Some> arrays;
  for (int i = 0; i < count; ++i) {
    if (i > 0) in += ",";
    if (i == operation.weight) {
      in += random_bits() % 2 ? "'w'" : "'u'";
      continue;
    }
    in += std::to_string(arrays.size());
    inputs.push_back(input("x" + std::to_string(i), ""));
    arrays.push_back(array(i));
    const std::string name = operation.name;
    const bool is_window = name.find("convolve") == 0 || name.find("resize") == 0;
    if (i > 0 && random_bits() % 2) arrays.back() = like(arrays.front());
    if (is_window && random_bits() % 8) arrays.back() = window_array(operation, i);
    if (operation.weight > 0 && random_bits() % 2) {
      arrays.back() = {{2, random_bits() % 2 ? 40 : 4}, {}, BCQ_F32};
      fill<float>(&arrays.back(), 2 * arrays.back().shape[1]);
    }
  }
  const int outputs = operation.outputs == bcq::graph::kAny ? static_cast<int>(random_bits() % 4)
                                                            : operation.outputs;
  const std::string more = ",'out':" + std::to_string(outputs) + attributes_of(operation);
  std::string all = "0";
  for (int i = 0; i < outputs; ++i) all += "," + std::to_string(arrays.size() + i);
  if (arrays.empty()) all = all.substr(outputs > 0 ? 2 : 0);
  Loaded loaded(folder, functions_file("'f':" + function(inputs, {node(operation.name, in, more)},
                                                         all, "[]")));
  if (loaded.status != BCQ_OK) {
    expect(loaded.status == BCQ_BAD_FILE, loaded.message);
    return false;
  }
  bcq_set_limits(loaded.model, 16 << 20, 4000000);
  std::vector<bcq_array> given, out(static_cast<size_t>(bcq_output_count(loaded.model, "f")));
  for (const Some& each : arrays) given.push_back(each.array());
  const bcq_status status = loaded.run("f", given, &out);
  expect(status == BCQ_OK || loaded.message[0] != '\0', "a message");
  return status == BCQ_OK;
}

}  // namespace

int main() {
  const Folder folder;
  constexpr int kTrials = 200;
  for (const auto& some : bcq::graph::all_operations()) {
    for (size_t i = 0; i < some.count; ++i) {
      context = some.first[i].name;
      std::mt19937 seeds(static_cast<uint32_t>(i));
      int good = 0;
      for (int trial = 0; trial < kTrials; ++trial) {
        random_bits.seed(seeds());
        good += run_once(folder, some.first[i]) ? 1 : 0;
      }
      const bool is_likely = context.find("list") != 0 && context.find("scatter") != 0;
      expect(good > 0 || !is_likely, "nothing of it is right");
    }
  }
  return finish();
}
