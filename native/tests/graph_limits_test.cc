/* Runs that take too much stop; those like the one before take no memory of the system. */
#include <stdlib.h>

#include <new>

#include "tests/graph_case.h"

namespace {

int64_t taken = 0; /* times that memory was taken with `new` */

void* counted(size_t bytes) {
  ++taken;
  void* const memory = aligned_alloc(64, (bytes + 64) / 64 * 64);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(size_t bytes) { return counted(bytes); }
void* operator new(size_t bytes, std::align_val_t) { return counted(bytes); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return counted(bytes); }
void operator delete(void* memory) noexcept { free(memory); }
void operator delete(void* memory, size_t) noexcept { free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { free(memory); }

using namespace bcq_test;

namespace {

const Folder* folder;
const std::string kAny = input("", "");

/* The status of a function f of nothing. */
void over_limit(const std::string& functions, int64_t bytes, int64_t operations) {
  Loaded loaded(*folder, functions_file(functions));
  expect(loaded.status == BCQ_OK, loaded.message);
  bcq_set_limits(loaded.model, bytes, operations);
  std::vector<bcq_array> out(1);
  expect(loaded.run("f", {}, &out) == BCQ_OVER_LIMIT, "status");
  expect(std::string(loaded.message).find("function 'f") == 0, loaded.message);
  expect(loaded.run("f", {}, &out) == BCQ_OVER_LIMIT, "again");
}

std::string of_node(const std::string& each) { return "'f':" + function({}, {each}, "0"); }

void test_endless_loops() {
  context = "an endless loop";
  const std::string yes = "'f1':" + function({}, {}, "{'bool':true}", "null");
  const std::string nothing = ",'f2':" + function({}, {}, "", "null");
  over_limit(yes + nothing + ",'f':" +
                 function({}, {node("while", "", ",'with':{'condition':'f1','body':'f2'},'out':0")},
                          "{'int32':0}"),
             0, 1000000);
}

void test_growing_loops() {
  context = "a loop that takes more and more";
  const std::string yes = "'f1':" + function({kAny}, {}, "{'bool':true}", "null");
  const std::string twice =
      ",'f2':" + function({kAny}, {node("concatenate", "0,0", ",'with':{'axis':0}")}, "1", "null");
  const std::string loop =
      ",'f':" +
      function({}, {node("while", "{'int8':[1]}", ",'with':{'condition':'f1','body':'f2'}")}, "0");
  over_limit(yes + twice + loop, 1 << 20, 0);
  over_limit(yes + twice + loop, 0, 1 << 20);
}

void test_large_arrays() {
  context = "large arrays";
  const std::string large = "{'int64':[1000000,1000000]}", huge = "{'int64':[100000000,100000000]}";
  for (const std::string& lengths : {large, huge, std::string("{'int64':[9223372036854775807,2]}"),
                                     std::string("{'int64':[0,9223372036854775807,2]}")}) {
    over_limit(of_node(node("fill", lengths + ",{'float32':0}")), 1 << 30, 0);
  }
  over_limit(of_node(node("fill", "{'int64':[100000]},{'float32':0}")), 1 << 30, 50000);
  over_limit(of_node(node("list_empty", "{'int64':1000000000000}")), 1 << 30, 0);
  over_limit(of_node(node("range", "{'int64':0},{'int64':10000000000000},{'int64':1}")), 1 << 30,
             0);
  over_limit(of_node(node("tile", "'bias',{'int64':[10000000000]}")), 1 << 30, 0);
  over_limit(of_node(node("pad", "'bias',{'int64':[10000000000,0]}")), 1 << 30, 0);
  over_limit(
      of_node(node("one_hot", "{'int32':[1]},{'int64':10000000000000},{'int32':1},{'int32':0}")),
      1 << 30, 0);
}

void test_large_products() {
  context = "large products";
  const std::vector<std::string> nodes = {
      node("fill", "{'int64':[1000,1000]},{'float32':1}"),
      node("matmul", "0,0", ",'with':{'transpose_a':false,'transpose_b':false}")};
  over_limit("'f':" + function({}, nodes, "1"), 0, 100000000);
}

/* Everything that a decoder does, and lists. */
std::string steady_functions() {
  const std::string more =
      "'more':" + function({kAny, kAny, kAny}, {node("less", "0,{'int32':5}")}, "3", "null");
  const std::vector<std::string> nodes = {
      node("add", "0,{'int32':1}"),
      node("product", "1,'u'", ",'with':{'precision':'exact'}"),
      node("softmax", "4"),
      node("reduce_sum", "5,{'int32':[-1]}", ",'with':{'keep':true}"),
      node("multiply", "1,6"),
      node("list_set", "2,0,7"),
      node("einsum", "1,7", ",'with':{'equation':'ab,cb->ac'}"),
      node("top_k", "9,{'int32':1}", ",'out':2"),
      node("transpose", "7,{'int32':[1,0]}"),
      node("matmul", "7,12", ",'with':{'transpose_a':false,'transpose_b':false}"),
      node("concatenate", "7,7", ",'with':{'axis':0}"),
  };
  /* 0 index, 1 x, 2 list, 3 index + 1, 4 product, 5 softmax, 6 sum, 7 x, 8 list, ... */
  std::string body = "'body':" + function({kAny, kAny, kAny}, nodes, "3,7,8", "null");
  const std::string whole = function(
      {input("x", "float32", "[null,4]")},
      {node("list_empty", "{'int32':5}"),
       node("while", "{'int32':0},0,1", ",'with':{'condition':'more','body':'body'},'out':3"),
       node("list_stack", "4")},
      "5,3");
  return more + "," + body + ",'f':" + whole;
}

void test_steady_runs() {
  context = "a second run";
  Loaded loaded(*folder, functions_file(steady_functions()));
  expect(loaded.status == BCQ_OK, loaded.message);
  const auto x = given({9, 4}, std::vector<float>(36, 0.5f));
  std::vector<bcq_array> out(2);
  const std::vector<bcq_array> inputs = {x.array()};
  std::vector<float> first;
  for (int i = 0; i < 5; ++i) {
    const int64_t before = taken;
    const bcq_status status = loaded.run("f", inputs, &out);
    const int64_t during = taken - before;
    expect(status == BCQ_OK, loaded.message);
    if (status != BCQ_OK) return;
    const auto* const numbers = static_cast<const float*>(out[0].data);
    if (i == 0) first.assign(numbers, numbers + out[0].bytes / 4);
    expect(std::equal(first.begin(), first.end(), numbers), "the same numbers");
    expect(i < 2 || during == 0, "memory is taken " + std::to_string(during) + " times");
  }
}

/* After a failure all is as before. */
void test_after_failures() {
  context = "after a failure";
  Loaded loaded(*folder, functions_file(steady_functions()));
  bcq_set_limits(loaded.model, 0, 40);
  const auto x = given({9, 4}, std::vector<float>(36, 0.5f));
  std::vector<bcq_array> out(2);
  for (int64_t operations = 1; operations < 3000; operations += 7) {
    bcq_set_limits(loaded.model, 0, operations);
    loaded.run("f", {x.array()}, &out);
  }
}

}  // namespace

int main() {
  const Folder here;
  folder = &here;
  test_endless_loops();
  test_growing_loops();
  test_large_arrays();
  test_large_products();
  test_steady_runs();
  test_after_failures();
  return finish();
}
