#include "runtime/weight.h"

#include "runtime/binary.h"
#include "runtime/compositional.h"
#include "runtime/entry.h"
#include "runtime/failure.h"
#include "runtime/uniform.h"

namespace bcq::runtime {

namespace {

bcq_array array_of(const Tensor& tensor) {
  return {tensor.dtype, static_cast<int32_t>(tensor.rank()), tensor.shape.data(), tensor.data,
          tensor.bytes};
}

/* Fills what a matrix of any kind has. */
template <class Codes>
void set(bcq_weight* weight, bcq_kind kind, Codes bcq_weight::* member, const Codes& codes) {
  weight->kind = kind;
  weight->rows = codes.rows;
  weight->columns = codes.columns;
  weight->*member = codes;
}

}  // namespace

bcq_weight read_weight(const std::string& name, const JsonValue& value, Tensors* tensors,
                       Tables* tables) {
  const JsonValue kind =
      value.is_object() ? value.member("kind").value_or(JsonValue()) : JsonValue();
  const std::string text = kind.is_string() ? kind.string() : "";
  const Entry entry(name, value, tensors);
  bcq_weight weight = {};
  weight.name = name.c_str();
  if (text == "array") {
    weight.array = array_of(tensors->take(name));
  } else if (text == "codes") {
    set(&weight, BCQ_BINARY, &bcq_weight::binary, read_binary(entry, tables));
  } else if (text == "uniform") {
    set(&weight, BCQ_UNIFORM, &bcq_weight::uniform, read_uniform(entry));
  } else if (text == "compositional") {
    set(&weight, BCQ_COMPOSITIONAL, &bcq_weight::compositional, read_compositional(entry));
  } else {
    refuse("weight ", quoted(name), " is of the unknown kind ", shown(kind.text()));
  }
  return weight;
}

}  // namespace bcq::runtime
