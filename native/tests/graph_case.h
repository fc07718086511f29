/* Files with graphs, written by hand, and models of them. */
#ifndef BCQ_TESTS_GRAPH_CASE_H_
#define BCQ_TESTS_GRAPH_CASE_H_

#include <initializer_list>

#include "runtime/bcq_graph.h"
#include "tests/file_forms.h"

namespace bcq_test {

/* 'x' -> '"', so that JSON in these tests is easily read. */
inline std::string json(std::string text) {
  std::replace(text.begin(), text.end(), '\'', '"');
  return text;
}

inline std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

/* A node; `more` is what follows its inputs: ",'with':{...}". */
inline std::string node(const std::string& op, const std::string& in,
                        const std::string& more = "") {
  return "{'op':'" + op + "','in':[" + in + "]" + more + "}";
}

inline std::string input(const std::string& name, const std::string& dtype,
                         const std::string& shape = "null") {
  return "{'name':'" + name + "','dtype':'" + dtype + "','shape':" + shape + "}";
}

inline std::string function(const std::vector<std::string>& inputs,
                            const std::vector<std::string>& nodes, const std::string& outputs,
                            const std::string& structure = "0") {
  return "{'inputs':[" + joined(inputs) + "],'nodes':[" + joined(nodes) + "],'outputs':[" +
         outputs + "],'structure':" + structure + "}";
}

inline std::string graph(const std::string& functions) {
  return "{'version':1,'functions':{" + functions + "}}";
}

/* The metadata of a file, as JSON, with codes "w" [17, 40], table "u" [2, 4], and arrays "bias"
 * [17], "half" and "tiny" (a bfloat16). */
inline std::string graph_file(const std::string& metadata) {
  static const Spec weights = [] {
    const RandomMatrix w({17, 40, 40, {17, 17}, false, false, BCQ_FLOAT32});
    Spec spec;
    const std::string codes = add_binary(w, {}, "w", &spec.parts);
    spec.parts.push_back({"bias", "F32", "[17]", octets(std::vector<float>(17, 1.0f))});
    spec.parts.push_back({"half", "F16", "[2]", octets(std::vector<uint16_t>{0x3c00, 0x4000})});
    spec.parts.push_back({"tiny", "BF16", "[1]", octets(std::vector<uint16_t>{0x3f80})});
    spec.parts.push_back({"u/packed", "U8", "[2,2]", octets(std::vector<uint8_t>{0, 1, 2, 3})});
    align(&spec.parts);
    spec.weights = "{\"w\":" + codes +
                   json(
                       ",'u':{'kind':'uniform','bits':3,'columns':4,'limit':0.5,"
                       "'zero_rows':false},'bias':{'kind':'array'},'half':{'kind':'array'},"
                       "'tiny':{'kind':'array'}}");
    return spec;
  }();
  Spec spec = weights;
  spec.metadata = json(metadata);
  return bytes_of(spec);
}

inline std::string functions_file(const std::string& functions) {
  return graph_file("{'graph':" + graph(functions) + "}");
}

/* A file while it is open, and its model. */
struct Loaded {
  Opened opened;
  bcq_model* model = nullptr;
  char message[500] = "";
  bcq_status status;

  Loaded(const Folder& folder, const std::string& bytes) : opened(folder, bytes) {
    if (opened.status != BCQ_OK) printf("%s\n", opened.message);
    status = bcq_load(opened.file, &model, message, sizeof(message));
  }
  ~Loaded() { bcq_unload(model); }
  Loaded(const Loaded&) = delete;

  /* Runs a function of few inputs and outputs. */
  bcq_status run(const char* name, const std::vector<bcq_array>& inputs,
                 std::vector<bcq_array>* outputs, bcq_parallel parallel = alone()) {
    return bcq_run(model, name, inputs.data(), static_cast<int64_t>(inputs.size()), outputs->data(),
                   static_cast<int64_t>(outputs->size()), parallel, message, sizeof(message));
  }
};

/* Numbers in memory that is exactly as large as they are. */
template <class T>
struct Given {
  std::vector<int64_t> shape;
  std::vector<T> numbers;
  bcq_dtype dtype;

  Given(bcq_dtype type, std::vector<int64_t> lengths, std::vector<T> all)
      : shape(std::move(lengths)), numbers(std::move(all)), dtype(type) {}

  bcq_array array() const {
    return {dtype, static_cast<int32_t>(shape.size()), shape.data(), numbers.data(),
            static_cast<int64_t>(numbers.size() * sizeof(T))};
  }
};

inline Given<float> given(std::vector<int64_t> shape, std::vector<float> numbers) {
  return {BCQ_F32, std::move(shape), std::move(numbers)};
}
inline Given<int32_t> given_ints(std::vector<int64_t> shape, std::vector<int32_t> numbers) {
  return {BCQ_I32, std::move(shape), std::move(numbers)};
}

}  // namespace bcq_test

#endif
