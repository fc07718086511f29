/* The visitors of an op's attributes.
 *
 * Op::attributes(visit) calls visit(definition, member) for each attribute that is a value, and
 * visit(definition) for each that is a type, in the order of the op's definition. A definition is
 * as TensorFlow has them: "rows: int >= 1". */
#ifndef BCQ_TF_ATTRIBUTES_H_
#define BCQ_TF_ATTRIBUTES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/product/product.h"
#include "tensorflow/core/platform/errors.h"

namespace bcq {

inline absl::string_view attribute_name(absl::string_view definition) {
  return definition.substr(0, definition.find(':'));
}

/* The definitions. */
struct Definitions {
  std::vector<std::string> all;

  void operator()(const char* definition) { all.emplace_back(definition); }
  template <class T>
  void operator()(const char* definition, T&) {
    all.emplace_back(definition);
  }
};

template <class Op>
std::vector<std::string> definitions() {
  Definitions visit;
  Op().attributes(visit);
  return visit.all;
}

/* The members from a node. Context: of a kernel's making or of a shape function. */
template <class Context>
struct Reader {
  Context* c;
  absl::Status status;

  void operator()(const char*) {}
  template <class T>
  void operator()(const char* definition, T& member) {
    status.Update(c->GetAttr(attribute_name(definition), &member));
  }
  void operator()(const char* definition, bcq_precision& member) {
    std::string name;
    status.Update(c->GetAttr(attribute_name(definition), &name));
    member = name == "fast" ? BCQ_FAST : BCQ_EXACT;
  }
};

template <class Op, class Context>
absl::Status read_attributes(Context* c, Op* op) {
  Reader<Context> visit{c, {}};
  op->attributes(visit);
  TF_RETURN_IF_ERROR(visit.status);
  return op->check_attributes();
}

/* The members to a list of numbers, which a program compiled by XLA keeps. */
struct Encoder {
  std::vector<int64_t> numbers;

  void operator()(const char*) {}
  template <class T>
  void operator()(const char*, T& member) {
    numbers.push_back(static_cast<int64_t>(member));
  }
  void operator()(const char*, std::vector<int64_t>& member) {
    numbers.push_back(static_cast<int64_t>(member.size()));
    numbers.insert(numbers.end(), member.begin(), member.end());
  }
};

template <class Op>
std::vector<int64_t> encode(Op op) {
  Encoder visit;
  op.attributes(visit);
  return visit.numbers;
}

/* The members from that list. */
struct Decoder {
  const int64_t* next;

  void operator()(const char*) {}
  template <class T>
  void operator()(const char*, T& member) {
    member = static_cast<T>(*next++);
  }
  void operator()(const char*, std::vector<int64_t>& member) {
    const int64_t count = *next++;
    member.assign(next, next + count);
    next += count;
  }
};

template <class Op>
Op decode(const int64_t* numbers) {
  Op op;
  Decoder visit{numbers};
  op.attributes(visit);
  return op;
}

}  // namespace bcq

#endif
