/* Graphs that break a rule are refused when they are loaded, with one line that says which. */
#include "tests/graph_case.h"

using namespace bcq_test;

namespace {

const Folder* folder;

/* Refused, and the message has this. */
void refused(const std::string& bytes, const std::string& what) {
  const Loaded loaded(*folder, bytes);
  std::string message = loaded.message;
  std::replace(message.begin(), message.end(), '"', '\'');
  expect(message.find(what) != message.npos, "'" + what + "' is not in: " + message);
  expect(message.find('\n') == message.npos && message.size() < 499, "one line: " + message);
}

void refused_functions(const std::string& functions, const std::string& what) {
  refused(functions_file(functions), what);
}

const std::string kX = input("x", "float32", "[null,40]");
const std::string kProduct = node("product", "0,'w'", ",'with':{'precision':'exact'}");

void refused_node(const std::string& each, const std::string& what) {
  refused_functions("'f':" + function({kX}, {each}, "0"), what);
}

void refused_input(const std::string& each, const std::string& what = "has the wrong input") {
  refused_functions("'f':" + function({each}, {}, "0"), what);
}

void test_good() {
  context = "a good graph";
  const std::string add = node("add", "1,'bias'", ",'out':1");
  const Loaded loaded(*folder, functions_file("'f':" + function({kX}, {kProduct, add}, "2,1",
                                                                "{'y':[0,null],'z':1}")));
  expect(loaded.status == BCQ_OK && loaded.model != nullptr, loaded.message);
  expect(bcq_function_count(loaded.model) == 1, "functions");
  expect(bcq_function_name(loaded.model, 0) == std::string("f"), "name");
  expect(bcq_function_name(loaded.model, 1) == nullptr, "no name");
  expect(bcq_input_count(loaded.model, "f") == 1, "inputs");
  expect(bcq_output_count(loaded.model, "f") == 2, "outputs");
  expect(bcq_input_count(loaded.model, "g") == -1 && bcq_output_count(loaded.model, "g") == -1,
         "no function");
  const bcq_input* const x = bcq_input_at(loaded.model, "f", 0);
  expect(x->name == std::string("x") && x->dtype == BCQ_F32 && x->rank == 2, "input");
  expect(x->shape[0] == BCQ_ANY && x->shape[1] == 40, "its shape");
  expect(bcq_input_at(loaded.model, "f", 1) == nullptr, "no input");
  expect(bcq_function_structure(loaded.model, "f") == json("{'y':[0,null],'z':1}"), "structure");
}

void test_arguments() {
  context = "arguments";
  bcq_model* model = reinterpret_cast<bcq_model*>(1);
  expect(bcq_load(nullptr, &model, nullptr, 0) == BCQ_BAD_ARGUMENT && !model, "no file");
  const Loaded loaded(*folder, functions_file(""));
  expect(bcq_load(loaded.opened.file, nullptr, nullptr, 0) == BCQ_BAD_ARGUMENT, "no model");
  expect(bcq_function_count(nullptr) == 0 && bcq_function_name(nullptr, 0) == nullptr, "none");
  expect(bcq_input_count(nullptr, "f") == -1 && bcq_input_at(nullptr, "f", 0) == nullptr, "none");
  expect(bcq_input_count(loaded.model, nullptr) == -1, "no name");
  expect(bcq_function_structure(nullptr, "f") == nullptr, "no structure");
  bcq_set_limits(nullptr, 1, 1);
  bcq_unload(nullptr);
  const bcq_parallel parallel = alone();
  expect(bcq_run(nullptr, "f", nullptr, 0, nullptr, 0, parallel, nullptr, 0) == BCQ_BAD_ARGUMENT,
         "nothing to run");
}

void test_wholes() {
  context = "a whole graph";
  refused(graph_file("{}"), "it has no graph: `bcq_tf.export_runtime` writes files that have");
  for (const char* whole :
       {"null", "7", "{}", "{'version':1}", "{'version':1,'functions':{},'more':1}"}) {
    refused(graph_file(std::string("{'graph':") + whole + "}"), "a version and functions");
  }
  for (const char* version : {"2", "true", "1.0", "'1'", "null"}) {
    refused(graph_file(std::string("{'graph':{'version':") + version + ",'functions':{}}}"),
            std::string("its graph is of version ") + version);
  }
  refused(graph_file("{'graph':{'version':1,'functions':[]}}"), "functions are no object");
}

void test_functions() {
  context = "a function";
  refused_functions("'f':7", "its function 'f' is no object");
  refused_functions("'f':{'inputs':[],'nodes':[],'outputs':[]}", "does not have [");
  refused_functions("'f':{'inputs':[],'nodes':[],'outputs':[],'structure':[],'more':1}",
                    "does not have [");
  refused_functions("'f':{'inputs':[],'nodes':{},'outputs':[],'structure':[]}", "has no lists");
  refused_functions("'\\u0000':" + function({kX}, {}, "0"), "is not text of Unicode");
  refused_functions("'\\ud800':" + function({kX}, {}, "0"), "is not text of Unicode");
  for (const char* structure : {"1", "-1", "'a'", "true", "0.0", "{'a':[1]}", "[0,[0,7]]"}) {
    refused_functions("'f':" + function({kX}, {}, "0", structure), "has the structure ");
  }
}

void test_inputs() {
  context = "an input";
  refused_input("7");
  refused_input("{'name':'x','dtype':'float32'}");
  refused_input("{'name':'x','dtype':'float32','shape':null,'more':1}");
  refused_input("{'name':7,'dtype':'float32','shape':null}");
  refused_input("{'name':'x','dtype':['float32'],'shape':null}");
  for (const char* dtype : {"object", "bfloat16", "float33"}) refused_input(input("x", dtype));
  for (const char* shape : {"7", "'x'", "[-1]", "[1.0]", "[true]", "[1,2,3,4,5,6,7,8,9]"}) {
    refused_input(input("x", "float32", shape));
  }
}

void test_nodes() {
  context = "a node";
  refused_node("'add'", "has the node 'add'");
  refused_node("{'op':'add'}", "has the node");
  refused_node("{'op':'add','in':{}}", "has the node");
  refused_node("{'op':['add'],'in':[0,0]}", "has the node");
  refused_node(node("add", "0,0", ",'more':1"), "has the node");
  refused_node(node("add", "0,0", ",'with':[]"), "has the node");
  for (const char* out : {"-1", "true", "1.0", "'1'"}) {
    refused_node(node("add", "0,0", std::string(",'out':") + out), "has the node");
  }
  refused_node(node("system", "0"), "has the unknown operation 'system'");
  refused_node(node("add", "0"), "gives 1 inputs to 'add'");
  refused_node(node("add", "0,0,0"), "gives 3 inputs to 'add'");
  refused_node(node("concatenate", "", ",'with':{'axis':0}"), "gives 0 inputs");
  refused_node(node("add", "0,0", ",'out':2"), "has 2 outputs of 'add'");
  refused_node(node("top_k", "0,0"), "has 1 outputs of 'top_k'");
  refused_node(node("unstack", "0", ",'with':{'axis':0},'out':2000000"), "has too many values");
}

void test_attributes() {
  context = "an attribute";
  refused_node(node("cast", "0"), "gives 'cast' other attributes");
  refused_node(node("cast", "0", ",'with':{'dtype':'int32','more':1}"), "other attributes");
  refused_node(node("add", "0,0", ",'with':{'axis':1}"), "other attributes");
  for (const char* dtype : {"1", "'object'", "'bfloat16'", "''", "null"}) {
    refused_node(node("cast", "0", std::string(",'with':{'dtype':") + dtype + "}"),
                 std::string("gives 'cast' dtype=") + dtype);
  }
  for (const char* axis : {"1.0", "true", "'1'", "[1]", "99999999999999999999"}) {
    refused_node(node("stack", "0", std::string(",'with':{'axis':") + axis + "}"),
                 "gives 'stack' axis=");
  }
  refused_node(node("leaky_relu", "0", ",'with':{'alpha':'1'}"), "gives 'leaky_relu' alpha=");
  refused_node(node("reduce_sum", "0,0", ",'with':{'keep':1}"), "gives 'reduce_sum' keep=1");
  for (const char* axes : {"1", "[1.0]", "[true]", "[[1]]", "{}"}) {
    refused_node(node("squeeze", "0", std::string(",'with':{'axes':") + axes + "}"),
                 "gives 'squeeze' axes=");
  }
  refused_node(node("product", "0,'w'", ",'with':{'precision':'best'}"), "precision='best'");
  refused_node(node("max_pool", "0", ",'with':{'sizes':[1],'strides':[1],'padding':'same'}"),
               "padding='same'");
  refused_node(node("mirror_pad", "0,0", ",'with':{'mode':'EDGE'}"), "mode='EDGE'");
}

void test_references() {
  context = "a value";
  for (const char* value : {"1", "-1", "true", "0.0", "null", "[0]", "99999999999999999999"}) {
    refused_node(node("negative", value),
                 std::string("uses the value ") + value + " where there are 1");
  }
  refused_node(node("negative", "'v'"), "names 'v', which the file does not have");
  refused_node(node("negative", "'bias\\u0000'"), "which the file does not have");
  refused_node(node("negative", "'w'"), "computes with the codes 'w' as if numbers");
  refused_node(node("negative", "'tiny'"), "which is not computed with here: bfloat16");
  refused_node(node("product", "0,'bias'", ",'with':{'precision':'exact'}"), "no codes but");
  refused_node(node("product", "0,0", ",'with':{'precision':'exact'}"), "no codes but 0");
  refused_functions("'f':" + function({kX}, {}, "1"), "uses the value 1");
  refused_functions("'f':" + function({kX}, {}, "'v'"), "names 'v'");
  refused_functions("'f':" + function({kX}, {}, "'w'"), "computes with the codes");
  refused_functions("'f':" + function({kX}, {kProduct}, "'f'"), "names 'f'");
}

void test_constants() {
  context = "a constant";
  for (const char* constant : {"{}",
                               "{'object':1}",
                               "{'float32':1,'int32':1}",
                               "{'float32':'x'}",
                               "{'float32':null}",
                               "{'float32':[[1],[1,2]]}",
                               "{'float32':[[1],1]}",
                               "{'float32':[1,[1]]}",
                               "{'uint8':300}",
                               "{'uint8':-1}",
                               "{'int32':2147483648}",
                               "{'int32':1.5}",
                               "{'int32':true}",
                               "{'bool':1}",
                               "{'float32':true}",
                               "{'int64':9223372036854775808}",
                               "{'float32':[[[[[[[[[1]]]]]]]]]}",
                               "{'float32':{}}",
                               "{'bfloat16':1}",
                               "{'int32':[[],[1]]}"}) {
    refused_node(node("negative", constant), std::string("has the constant ") + constant);
  }
  for (const char* constant :
       {"{'float32':[[1,2.5],[-1e30,0]]}", "{'float32':1e300}", "{'bool':[true,false]}",
        "{'int64':-9223372036854775808}", "{'uint8':[255]}", "{'int8':-128}", "{'float16':0.5}",
        "{'float64':1e-300}", "{'uint32':4294967295}", "{'int32':[[],[]]}", "{'int32':[]}"}) {
    const Loaded loaded(*folder, functions_file("'f':" + function({}, {}, constant)));
    std::vector<bcq_array> outputs(1);
    Loaded& same = const_cast<Loaded&>(loaded);
    expect(loaded.status == BCQ_OK && same.run("f", {}, &outputs) == BCQ_OK, constant);
  }
}

void test_calls() {
  context = "a call";
  const std::string any = input("", "");
  const std::string step = "'step':" + function({any}, {node("add", "0,0")}, "1", "null");
  const std::string ends =
      "'ends':" + function({any}, {node("less", "0,{'float32':1}")}, "1", "null");
  const auto loop = [&](const std::string& with, const std::string& in = "0",
                        const std::string& more = "") {
    return step + "," + ends +
           ",'f':" + function({kX}, {node("while", in, ",'with':{" + with + "}" + more)}, "1");
  };
  const std::string good = "'condition':'ends','body':'step'";
  const Loaded loaded(*folder, functions_file(loop(good)));
  expect(loaded.status == BCQ_OK, loaded.message);
  expect(bcq_function_count(loaded.model) == 1, "those that are called are not shown");
  refused_functions(loop("'condition':'ends','body':'f'"), "calls 'f'");
  refused_functions(loop("'condition':'ends','body':'other'"), "calls 'other'");
  refused_functions(loop("'condition':'ends','body':7"), "has a wrong 'while'");
  refused_functions(loop("'condition':'ends'"), "has a wrong 'while'");
  refused_functions(loop(good + ",'more':'step'"), "has a wrong 'while'");
  refused_functions(loop("'then':'ends','otherwise':'step'"), "has a wrong 'while'");
  refused_functions(loop(good, "0", ",'out':2"), "with other values");
  refused_functions(loop(good, "0,0"), "with other values");
  refused_functions(loop(good, "'w'"), "computes with the codes");
  refused_functions("'f':" + function({kX}, {node("while", "0")}, "1"), "has a wrong 'while'");
  refused_functions(
      step + ",'f':" +
          function({kX}, {node("if", "", ",'with':{'then':'step','otherwise':'step'}")}, "0"),
      "with other values");
}

void test_depth() {
  context = "functions within functions";
  std::string functions = "'f0':" + function({}, {}, "{'bool':false}", "null");
  for (int i = 1; i <= 300; ++i) {
    const std::string name = "f" + std::to_string(i - 1);
    functions += ",'f" + std::to_string(i) + "':" +
                 function({},
                          {node("if", "{'bool':true}",
                                ",'with':{'then':'" + name + "','otherwise':'" + name + "'}")},
                          "0", "null");
  }
  refused_functions(functions, "too deeply");
}

}  // namespace

int main() {
  const Folder here;
  folder = &here;
  test_good();
  test_arguments();
  test_wholes();
  test_functions();
  test_inputs();
  test_nodes();
  test_attributes();
  test_references();
  test_constants();
  test_calls();
  test_depth();
  return finish();
}
