/* After bcq_prepare() a run takes no memory. */
#include "tests/file_memory.h"
#include "tests/graph_case.h"

using namespace bcq_test;

#if !defined(__SANITIZE_ADDRESS__)  // under which nothing is kept from one product to the next
extern "C" void* aligned_alloc(size_t alignment, size_t bytes) {
  void* memory = nullptr;
  ++times_taken;
  return posix_memalign(&memory, alignment, bytes) == 0 ? memory : nullptr;
}
#endif

namespace {

/* A step that a loop repeats three times: (count, state [2, 17]) -> the same. */
std::string step() {
  return function({input("", ""), input("", "")},
                  {node("subtract", "0,{'int32':1}"), node("add", "1,'bias'"), node("softmax", "3"),
                   node("tanh", "4"), node("concatenate", "5,4", ",'with':{'axis':1}"),
                   node("slice", "6,{'int32':[0,0]},{'int32':[2,17]}")},
                  "2,7", "null");
}

std::string condition() {
  return function({input("", ""), input("", "")}, {node("greater", "0,{'int32':0}")}, "2", "null");
}

std::string whole() {
  return function(
      {input("x", "float32"), input("ids", "int32")},
      {node("product", "0,'w'", ",'with':{'precision':'exact'}"),
       node("product", "0,'w'", ",'with':{'precision':'fast'}"), node("add", "2,3"),
       node("while", "{'int32':3},4", ",'with':{'condition':'c','body':'b'},'out':2"),
       node("rows", "1,'u'", ",'with':{'dtype':'float32'}"),
       node("rows", "1,'w'", ",'with':{'dtype':'float32'}"),
       node("columns", "'w'", ",'with':{'dtype':'float32'}"), node("matmul", "8,9"),
       node("einsum", "10,6", ",'with':{'equation':'ij,kj->ik'}"),
       node("reduce_sum", "11,{'int32':[1]}", ",'with':{'keep':true}"),
       node("top_k", "6,{'int32':2}", ",'out':2"), node("transpose", "11,{'int32':[1,0]}")},
      "6,7,12,13,14,15", "[0,1,2,3,4,5]");
}

void test_runs_take_none() {
  const Folder folder;
  Loaded loaded(folder,
                functions_file("'c':" + condition() + ",'b':" + step() + ",'f':" + whole()));
  expect(loaded.status == BCQ_OK, loaded.message);
  std::vector<float> numbers;
  for (int i = 0; i < 80; ++i) numbers.push_back(static_cast<float>(i % 7) - 3);
  const auto x = given({2, 40}, numbers);
  const auto ids = given_ints({2}, {0, 1}), far = given_ints({2}, {0, 2});
  const std::vector<bcq_array> inputs = {x.array(), ids.array()};
  const auto prepare = [&](const std::vector<bcq_array>& given) {
    return bcq_prepare(loaded.model, "f", given.data(), 2, alone(), loaded.message, 500);
  };
  expect(prepare(inputs) == BCQ_OK, loaded.message);
  std::vector<bcq_array> outputs(6);
  const size_t before = times_taken;
  for (int i = 0; i < 5; ++i) {
    const bcq_status status = bcq_run(loaded.model, "f", inputs.data(), 2, outputs.data(), 6,
                                      alone(), loaded.message, 500);
    expect(status == BCQ_OK, loaded.message);
  }
  const size_t taken = times_taken - before; /* strings of what follows take some */
  expect(taken == 0, std::to_string(taken) + " times memory is taken");
  expect(prepare({x.array(), far.array()}) == BCQ_BAD_ID, "a bad id");
  expect(bcq_prepare(loaded.model, "g", inputs.data(), 2, alone(), loaded.message, 500) ==
             BCQ_BAD_ARGUMENT,
         "no such function");
  expect(bcq_prepare(nullptr, "f", inputs.data(), 2, alone(), nullptr, 0) == BCQ_BAD_ARGUMENT,
         "no model");
}

}  // namespace

int main() {
  test_runs_take_none();
  return finish();
}
