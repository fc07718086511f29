/* LiteRT's operators, called as an interpreter calls them: by themselves and through the delegate.
 */
#include <math.h>
#include <stdarg.h>

#include "litert/bcq_litert.h"
#include "litert/interface.h"
#include "tests/file_forms.h"

using namespace bcq::litert;
using namespace bcq_test;

namespace {

/* LiteRT's array of whole numbers. */
struct Ints {
  std::vector<int> memory;
  explicit Ints(const std::vector<int>& values) : memory{static_cast<int>(values.size())} {
    memory.insert(memory.end(), values.begin(), values.end());
  }
  IntArray* get() { return reinterpret_cast<IntArray*>(memory.data()); }
};

std::string bytes_of_codes(const RandomMatrix& w) {
  Spec spec;
  spec.weights = "{\"codes\":" + add_binary(w, {}, "codes", &spec.parts) + "}";
  align(&spec.parts);
  return bytes_of(spec);
}

/* An interpreter of one node, (input, codes) -> output, with tensors in an order of their own. */
struct Interpreter : Context {
  Tensor all[4] = {};
  Node node = {};
  Registration own = {};
  Ints inputs{{2, 0}}, outputs{{3}}, plan{{0}}, input_dims;
  std::vector<uint64_t> codes, input, output;
  std::string report;
  IntArray* output_dims = nullptr;
  Delegate* delegate = nullptr;
  void* user_data = nullptr;

  /* codes: of a file; shift: by how many bytes they are off. */
  Interpreter(const std::string& file, Type type, const std::vector<int>& dims, size_t shift = 0)
      : Context(), input_dims(dims), codes((shift + file.size() + 7) / 8) {
    tensors = all;
    tensors_size = 4;
    recommended_threads = 2;
    all[0].type = kUint8;
    all[0].memory = kConstant;
    all[0].data = reinterpret_cast<char*>(codes.data()) + shift;
    all[0].bytes = file.size();
    memcpy(all[0].data, file.data(), file.size());
    size_t count = 1;
    for (const int dim : dims) count *= static_cast<size_t>(dim);
    input.resize(count);
    all[2].type = type;
    all[2].data = input.data();
    all[2].dims = input_dims.get();
    all[3].type = kFloat32;
    node.inputs = inputs.get();
    node.outputs = outputs.get();
    get_execution_plan = [](Context* self, IntArray** plan) {
      *plan = static_cast<Interpreter*>(self)->plan.get();
      return kOk;
    };
    get_node_and_registration = [](Context* self, int, Node** node, Registration** registration) {
      *node = &static_cast<Interpreter*>(self)->node;
      *registration = &static_cast<Interpreter*>(self)->own;
      return kOk;
    };
    report_error = take_report;
    resize_tensor = [](Context* self, Tensor* tensor, IntArray* dims) {
      auto* all = static_cast<Interpreter*>(self);
      free(all->output_dims);
      tensor->dims = all->output_dims = dims;
      size_t count = 1;
      for (int i = 0; i < dims->size; ++i) count *= static_cast<size_t>(dims->data[i]);
      all->output.assign((count + 1) / 2, ~uint64_t{0});
      tensor->data = all->output.data();
      return kOk;
    };
    replace_nodes = [](Context* self, Registration by, const IntArray* nodes, Delegate* delegate) {
      auto* all = static_cast<Interpreter*>(self);
      Ints node{{nodes->data[0]}}, none{{}};
      const DelegateParams parameters = {delegate, node.get(), none.get(), none.get()};
      all->own = by;
      all->user_data = by.init(self, reinterpret_cast<const char*>(&parameters), 0);
      return kOk;
    };
  }
  ~Interpreter() {
    if (user_data != nullptr) own.free(this, user_data);
    free(output_dims);
    if (delegate != nullptr) tflite_plugin_destroy_delegate(delegate);
  }
  Interpreter(const Interpreter&) = delete;

  static void take_report(Context* self, const char* format, ...) {
    char text[700];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    static_cast<Interpreter*>(self)->report = text;
  }

  /* Takes an operator, as the delegate gives it or as it is; whether it then ran. */
  bool run(const char* name, bool delegated) {
    own = *static_cast<Registration*>(bcq_litert_operator(name));
    if (delegated) {
      delegate = static_cast<Delegate*>(tflite_plugin_create_delegate(nullptr, nullptr, 0, {}));
      if (delegate->prepare(this, delegate) != kOk) return false;
      Ints none{{}};
      node.inputs = none.get(); /* those of the node that stands for it are others */
      return run_again(none);
    }
    user_data = own.init(this, nullptr, 0);
    return run_again(inputs);
  }
  bool run_again(Ints& its_inputs) {
    node.inputs = its_inputs.get();
    node.user_data = user_data;
    return own.prepare(this, &node) == kOk && own.invoke(this, &node) == kOk;
  }

  float out(int64_t i) const { return reinterpret_cast<const float*>(output.data())[i]; }
};

void test_products(const RandomMatrix& w, bool delegated, bool fast) {
  const int rows = static_cast<int>(w.form.rows), columns = static_cast<int>(w.form.columns);
  Interpreter in(bytes_of_codes(w), kFloat32, {2, 3, columns}, 4);
  std::vector<float> x;
  for (int i = 0; i < 6 * columns; ++i) x.push_back(static_cast<float>(random_bits() % 15) - 7);
  in.input.resize((x.size() + 1) / 2);
  memcpy(in.input.data(), x.data(), x.size() * sizeof(float));
  in.all[2].data = in.input.data();
  expect(in.run(fast ? "BcqProductFast" : "BcqProduct", delegated), "it runs: " + in.report);
  const IntArray& dims = *in.all[3].dims;
  expect(dims.size == 3 && dims.data[0] == 2 && dims.data[1] == 3 && dims.data[2] == rows, "dims");
  for (int b = 0; b < 6; ++b) {
    for (int r = 0; r < rows; ++r) {
      double sum = 0, size = 0;
      for (int c = 0; c < columns; ++c) {
        sum += static_cast<double>(w.weight(r, c)) * x[b * columns + c];
        size += fabs(static_cast<double>(w.magnitude(r, c)) * x[b * columns + c]);
      }
      expect(fabs(in.out(int64_t{b} * rows + r) - sum) <= (fast ? .02 : 1e-5) * size + 1e-6,
             "y of row " + std::to_string(r));
    }
  }
}

void test_rows(const RandomMatrix& w, bool delegated, Type type) {
  const int rows = static_cast<int>(w.form.rows), columns = static_cast<int>(w.form.columns);
  Interpreter in(bytes_of_codes(w), type, {5});
  std::vector<int> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(static_cast<int>(random_bits() % rows));
  for (int i = 0; i < 5; ++i) {
    if (type == kInt32) reinterpret_cast<int32_t*>(in.input.data())[i] = ids[i];
    if (type == kInt64) reinterpret_cast<int64_t*>(in.input.data())[i] = ids[i];
  }
  expect(in.run("BcqRows", delegated), "it runs: " + in.report);
  for (int i = 0; i < 5; ++i) {
    for (int c = 0; c < columns; ++c) {
      const float wanted = w.weight(ids[i], c);
      expect(fabsf(in.out(int64_t{i} * columns + c) - wanted) <= 1e-5f * w.magnitude(ids[i], c),
             "row " + std::to_string(ids[i]));
    }
  }
}

void refused(Interpreter* in, const char* name, const std::string& what) {
  for (const bool delegated : {false, true}) {
    context = "refused: " + what;
    expect(!in->run(name, delegated) && in->report.find(what) != std::string::npos, in->report);
    in->own.free(in, in->user_data);
    in->user_data = nullptr;
    if (delegated) return;
    in->report = "";
    in->node.inputs = in->inputs.get();
  }
}

void test_refusals() {
  const RandomMatrix w({4, 64, 64, {4, 4}, false, false, BCQ_FLOAT16});
  const std::string file = bytes_of_codes(w);
  std::string broken = file;
  broken[broken.size() - 1] ^= 1;
  Interpreter damaged(broken, kFloat32, {64}), cut(file.substr(0, 200), kFloat32, {64});
  refused(&damaged, "BcqProduct", "BcqProduct: 'memory' is not a whole bcq_tf file");
  refused(&cut, "BcqProductFast", "BcqProductFast: 'memory' is not a whole bcq_tf file");
  Interpreter narrow(file, kFloat32, {63}), whole(file, kInt32, {64}), none(file, kFloat32, {});
  for (Interpreter* in : {&narrow, &whole, &none}) refused(in, "BcqProduct", "as many columns");
  Interpreter floats(file, kFloat32, {2});
  refused(&floats, "BcqRows", "BcqRows: ids must be int32 or int64");
  for (const int id : {-1, 4}) {
    Interpreter far(file, kInt32, {1});
    reinterpret_cast<int32_t*>(far.input.data())[0] = id;
    refused(&far, "BcqRows", "an id is no row of its codes");
  }
  Interpreter given(file, kFloat32, {64}), others(file, kFloat32, {64});
  given.all[0].memory = Memory{2};
  refused(&given, "BcqProduct", "its codes must be a constant of bytes");
  others.all[3].type = kInt32;
  refused(&others, "BcqProduct", "its output must be float32");
  Interpreter lone(file, kFloat32, {64});
  lone.inputs = Ints{{2}};
  lone.node.inputs = lone.inputs.get();
  refused(&lone, "BcqProduct", "must have an input, codes and one output");
  Spec array;
  array.parts = {{"codes", "F32", "[2]", std::string(8, '\0')}};
  array.weights = array_weights(array.parts);
  Interpreter no_codes(bytes_of(array), kFloat32, {64});
  refused(&no_codes, "BcqProduct", "its codes must be one binary weight");
}

std::string reported;

void test_options() {
  context = "options";
  char threads[] = "threads", three[] = "3", other[] = "speed";
  char* keys[] = {threads};
  char* values[] = {three};
  void* delegate = tflite_plugin_create_delegate(keys, values, 1, nullptr);
  expect(delegate != nullptr, "threads");
  tflite_plugin_destroy_delegate(delegate);
  const auto report = [](const char* text) { reported = text; };
  for (const char* text : {"0", "-1", "1025", "2x", "", "99999999999999999999"}) {
    std::string value = text;
    values[0] = value.data();
    expect(tflite_plugin_create_delegate(keys, values, 1, report) == nullptr, value);
    expect(reported == "the one option is `threads`, from 1 to 1024", reported);
  }
  keys[0] = other;
  values[0] = three;
  expect(tflite_plugin_create_delegate(keys, values, 1, nullptr) == nullptr, "another option");
  expect(bcq_litert_operator("BcqColumns") == nullptr, "an operator that is none");
  expect(bcq_litert_operator(nullptr) == nullptr, "no name");
}

}  // namespace

int main() {
  for (const Form& form : all_forms()) {
    if (form.scale_type == BCQ_BFLOAT16) continue; /* which files have as float32 */
    const RandomMatrix w(form);
    for (const bool delegated : {false, true}) {
      context = std::to_string(form.rows) + " x " + std::to_string(form.columns) +
                (delegated ? ", delegated" : "");
      for (const bool fast : {false, true}) test_products(w, delegated, fast);
      for (const Type type : {kInt32, kInt64}) test_rows(w, delegated, type);
    }
  }
  test_refusals();
  test_options();
  return finish();
}
