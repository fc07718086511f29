/* What runs of graphs give, and what they refuse. */
#include <cmath>

#include "tests/graph_case.h"

using namespace bcq_test;

namespace {

const Folder* folder;
const std::string kAny = input("", "");

template <class T>
bool holds(const bcq_array& array, const std::vector<int64_t>& shape, const std::vector<T>& all) {
  bool same = std::vector<int64_t>(array.shape, array.shape + array.rank) == shape;
  same = same && array.bytes == static_cast<int64_t>(all.size() * sizeof(T));
  return same && (all.empty() || memcmp(array.data, all.data(), all.size() * sizeof(T)) == 0);
}

/* A function f of x and y of any kind. */
std::string of_two(const std::vector<std::string>& nodes, const std::string& outputs,
                   const std::string& structure = "0") {
  return functions_file("'f':" +
                        function({input("x", ""), input("y", "")}, nodes, outputs, structure));
}

void test_sums() {
  context = "sums";
  Loaded loaded(*folder,
                of_two({node("add", "0,1"), node("multiply", "2,2")}, "3,2,0,{'int32':7}"));
  const auto x = given({2, 1}, {1, 2}), y = given({3}, {10, 20, 30});
  std::vector<bcq_array> outputs(4);
  for (const bcq_parallel& parallel : {alone(), scattered()}) {
    expect(loaded.run("f", {x.array(), y.array()}, &outputs, parallel) == BCQ_OK, loaded.message);
    expect(holds<float>(outputs[0], {2, 3}, {121, 441, 961, 144, 484, 1024}), "squares");
    expect(holds<float>(outputs[1], {2, 3}, {11, 21, 31, 12, 22, 32}), "sums");
    expect(holds<float>(outputs[2], {2, 1}, {1, 2}) && outputs[2].data != x.numbers.data(), "x");
    expect(holds<int32_t>(outputs[3], {}, {7}), "a constant");
  }
}

void test_outputs_as_inputs() {
  context = "outputs as inputs";
  Loaded loaded(*folder, of_two({node("add", "0,1")}, "2"));
  const auto one = given({4}, {1, 2, 3, 4});
  std::vector<bcq_array> sums(1);
  expect(loaded.run("f", {one.array(), one.array()}, &sums) == BCQ_OK, loaded.message);
  for (int i = 0; i < 5; ++i) {
    expect(loaded.run("f", {sums[0], one.array()}, &sums) == BCQ_OK, loaded.message);
  }
  expect(holds<float>(sums[0], {4}, {7, 14, 21, 28}), "sums");
  const auto other = given({3}, {1, 2, 3});
  std::vector<bcq_array> none(1);
  expect(loaded.run("f", {sums[0], other.array()}, &none) == BCQ_BAD_ARGUMENT, "refused");
  expect(holds<float>(sums[0], {4}, {7, 14, 21, 28}), "what was there stays");
}

void test_inputs() {
  context = "inputs";
  Loaded loaded(*folder,
                functions_file("'f':" + function({input("x", "float32", "[null,2]")}, {}, "0")));
  const auto good = given({1, 2}, {1, 2});
  std::vector<bcq_array> out(1), two(2);
  const auto refused = [&](const bcq_array& x, const std::string& what) {
    expect(loaded.run("f", {x}, &out) == BCQ_BAD_ARGUMENT, "status " + what);
    expect(std::string(loaded.message).find(what) != std::string::npos, loaded.message);
  };
  expect(loaded.run("f", {good.array()}, &out) == BCQ_OK, loaded.message);
  expect(loaded.run("g", {good.array()}, &out) == BCQ_BAD_ARGUMENT, "no function");
  expect(loaded.run("f", {}, &out) == BCQ_BAD_ARGUMENT, "no inputs");
  expect(loaded.run("f", {good.array(), good.array()}, &out) == BCQ_BAD_ARGUMENT, "two inputs");
  expect(loaded.run("f", {good.array()}, &two) == BCQ_BAD_ARGUMENT, "two outputs");
  refused(given_ints({1, 2}, {1, 2}).array(), "input 'x': it must be float32. Received: int32");
  refused(given({2}, {1, 2}).array(), "it must be [null, 2]. Received: [2]");
  refused(given({2, 1}, {1, 2}).array(), "it must be [null, 2]. Received: [2, 1]");
  bcq_array bad = good.array();
  bad.bytes = 4;
  refused(bad, "it must have 8 bytes. Received: 4");
  bad = good.array();
  bad.rank = 9;
  refused(bad, "0 to 8 axes");
  bad.rank = -1;
  refused(bad, "0 to 8 axes");
  bad = good.array();
  bad.shape = nullptr;
  refused(bad, "0 to 8 axes");
  bad = good.array();
  bad.data = nullptr;
  refused(bad, "aligned");
  bad.data = reinterpret_cast<const char*>(good.numbers.data()) + 1;
  refused(bad, "aligned");
  refused(given({-1, 2}, {}).array(), "no array is [-1, 2]");
  bad = good.array();
  const int wrong = 99;
  memcpy(&bad.dtype, &wrong, sizeof(wrong));
  refused(bad, "dtype");
  Loaded any(*folder, functions_file("'f':" + function({input("x", "")}, {}, "0")));
  const Given<uint8_t> flags(BCQ_BOOL, {2}, {1, 2});
  expect(any.run("f", {flags.array()}, &out) == BCQ_BAD_ARGUMENT, "booleans of 2");
}

void test_messages() {
  context = "messages";
  Loaded loaded(*folder, of_two({node("negative", "0"), node("add", "2,1")}, "3"));
  const auto x = given({2}, {1, 2}), y = given({3}, {1, 2, 3});
  std::vector<bcq_array> out(1);
  expect(loaded.run("f", {x.array(), y.array()}, &out) == BCQ_BAD_ARGUMENT, "status");
  expect(
      loaded.message == std::string("function 'f', node 1 (add): [2] and [3] do not go together"),
      loaded.message);
  const bcq_array inputs[] = {x.array(), y.array()};
  char few[12] = "";
  bcq_run(loaded.model, "f", inputs, 2, out.data(), 1, alone(), few, sizeof(few));
  expect(few == std::string("function 'f"), few);
  bcq_run(loaded.model, "f", inputs, 2, out.data(), 1, alone(), nullptr, 0);
}

void test_bad_ids() {
  context = "ids";
  const std::string nodes[] = {
      node("gather", "'bias',0,{'int32':0}"), node("rows", "0,'w'", ",'with':{'dtype':'float32'}"),
      node("rows", "0,'u'", ",'with':{'dtype':'float32'}"), node("gather_nd", "'bias',0")};
  for (const std::string& each : nodes) {
    for (const int32_t id : {-1, 17, INT32_MIN, INT32_MAX}) {
      Loaded loaded(*folder, functions_file("'f':" + function({input("ids", "")}, {each}, "1")));
      std::vector<bcq_array> out(1);
      const auto ids = given_ints({1, 1}, {id});
      expect(loaded.run("f", {ids.array()}, &out) == BCQ_BAD_ID, each);
      const std::string message = loaded.message;
      expect(message.find("Received: " + std::to_string(id)) != message.npos, message);
    }
  }
}

const std::string kStep =
    "'step':" + function({kAny}, {node("add", "0,{'int32':1}")}, "1", "null") + ",";

std::string loop(const std::string& condition) {
  return kStep + "'ends':" + function({kAny}, {node("less", "0,{'int32':5}")}, condition, "null") +
         ",'f':" +
         function({input("x", "int32")},
                  {node("while", "0", ",'with':{'condition':'ends','body':'step'}")}, "1");
}

void test_loops() {
  context = "loops";
  std::vector<bcq_array> out(1);
  const auto zero = given_ints({}, {0}), nine = given_ints({}, {9});
  Loaded loaded(*folder, functions_file(loop("1")));
  expect(loaded.run("f", {zero.array()}, &out) == BCQ_OK && holds<int32_t>(out[0], {}, {5}), "5");
  expect(loaded.run("f", {nine.array()}, &out) == BCQ_OK && holds<int32_t>(out[0], {}, {9}), "9");
  const auto two = given_ints({2}, {0, 0});
  expect(loaded.run("f", {two.array()}, &out) == BCQ_BAD_ARGUMENT, "a condition of two");
}

void test_choices() {
  context = "choices";
  const std::string minus =
      "'minus':" + function({kAny}, {node("negative", "0")}, "1", "null") + ",";
  const std::string choice = node("if", "0,1", ",'with':{'then':'step','otherwise':'minus'}");
  Loaded loaded(*folder, functions_file(kStep + minus + "'f':" +
                                        function({input("c", ""), input("x", "")}, {choice}, "2")));
  std::vector<bcq_array> out(1);
  const auto x = given_ints({}, {4});
  const Given<uint8_t> yes(BCQ_BOOL, {}, {1}), no(BCQ_BOOL, {1}, {0});
  expect(loaded.run("f", {yes.array(), x.array()}, &out) == BCQ_OK, loaded.message);
  expect(holds<int32_t>(out[0], {}, {5}), "then");
  expect(loaded.run("f", {no.array(), x.array()}, &out) == BCQ_OK, loaded.message);
  expect(holds<int32_t>(out[0], {}, {-4}), "otherwise");
}

void test_lists() {
  context = "lists";
  const std::vector<std::string> nodes = {node("list_empty", "0"),
                                          node("list_set", "2,{'int32':0},1"),
                                          node("list_set", "3,{'int32':1},1"),
                                          node("list_get", "4,{'int32':1}"),
                                          node("list_stack", "4"),
                                          node("list_length", "4"),
                                          node("list_of", "6")};
  std::vector<bcq_array> out(1), three(3);
  const auto count = given_ints({}, {2});
  const auto x = given({2}, {3, 4});
  Loaded loaded(*folder, of_two(nodes, "5,6,7", "[0,1,2]"));
  expect(loaded.run("f", {count.array(), x.array()}, &three) == BCQ_OK, loaded.message);
  expect(holds<float>(three[0], {2}, {3, 4}), "get");
  expect(holds<float>(three[1], {2, 2}, {3, 4, 3, 4}), "stack");
  expect(holds<int32_t>(three[2], {}, {2}), "length");
  const auto refused = [&](const std::vector<std::string>& some, const char* output) {
    Loaded bad(*folder, of_two(some, output));
    const bcq_status status = bad.run("f", {count.array(), x.array()}, &out);
    expect(status == BCQ_BAD_ARGUMENT || status == BCQ_BAD_ID, joined(some));
  };
  refused({nodes[0]}, "2");
  refused({nodes[0], node("list_get", "2,{'int32':0}")}, "3");
  refused({nodes[0], node("list_get", "2,{'int32':2}")}, "3");
  refused({nodes[0], node("list_set", "2,{'int32':-1},1")}, "3");
  refused({nodes[0], node("list_set", "2,{'int32':4},1")}, "3");
  refused({nodes[0], node("list_set", "2,{'int32':0},2")}, "3");
  refused({nodes[0], node("list_stack", "2")}, "3");
  refused({nodes[0], node("negative", "2")}, "3");
  refused({node("list_get", "1,{'int32':0}")}, "2");
  refused({node("list_empty", "{'int32':-1}")}, "0");
}

}  // namespace

int main() {
  const Folder here;
  folder = &here;
  test_sums();
  test_outputs_as_inputs();
  test_inputs();
  test_messages();
  test_bad_ids();
  test_loops();
  test_choices();
  test_lists();
  return finish();
}
