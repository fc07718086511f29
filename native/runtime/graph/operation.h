/* Operations of graphs, and the nodes that stand for them. */
#ifndef BCQ_RUNTIME_GRAPH_OPERATION_H_
#define BCQ_RUNTIME_GRAPH_OPERATION_H_

#include <string>
#include <string_view>
#include <vector>

#include "runtime/graph/context.h"

namespace bcq::graph {

struct Function;
struct Node;

/* What an attribute may be. Texts that name one of a few things become its number. */
enum class AttributeType : uint8_t {
  kInteger,
  kNumber,
  kFlag,
  kList, /* of integers */
  kText,
  kDtype,     /* a bcq_dtype */
  kPrecision, /* a bcq_precision */
  kPadding,   /* a Padding */
  kMirror,    /* 0: "REFLECT", 1: "SYMMETRIC" */
};

enum Padding { kSame, kValid, kExplicit };

/* Names stand in the tables themselves: pointers take more room, and are set when a library is
 * loaded. */
struct AttributeRule {
  char name[17];
  AttributeType type;
  bool optional = false;
};

struct Attribute {
  bool given = false;
  int64_t integer = 0; /* or what a text names, or a flag */
  double number = 0;
  std::vector<int64_t> list;
  std::string text;

  int64_t integer_or(int64_t other) const { return given ? integer : other; }
  bcq_dtype dtype_or(bcq_dtype other) const {
    return given ? static_cast<bcq_dtype>(integer) : other;
  }
};

/* Writes the outputs; `in` may be moved from. Throws Failure where inputs break a rule. */
using Run = void (*)(Context& context, const Node& node, Array* in, Array* out);

constexpr int8_t kAny = -1; /* number of inputs or outputs */

/* How an operation computes in half precision. */
enum class Half : uint8_t {
  kWide, /* in float32, which is rounded in the end */
  kItself
};

/* Which integers an operation computes with, beside int64. */
enum class Integers : uint8_t { kWidened, kInt32 };

/* The attributes of an operation, a table of them. */
struct AttributeRules {
  const AttributeRule* first = nullptr;
  int8_t count = 0;

  constexpr AttributeRules() = default;
  template <size_t kCount>
  constexpr AttributeRules(const AttributeRule (&rules)[kCount]) : first(rules), count(kCount) {}

  const AttributeRule* begin() const { return first; }
  const AttributeRule* end() const { return first + count; }
};

struct Operation {
  char name[20];
  int8_t least, most; /* inputs */
  Run run;
  AttributeRules attributes = {};
  int8_t outputs = 1;
  Half half = Half::kWide;
  /* How many inputs, from the first on, it computes with: integers are widened to int64 for these,
   * and outputs of int64 narrowed, where all have one type. */
  int8_t computes = 0;
  Integers integers = Integers::kWidened;
  int8_t weight = -1; /* which input is the name of codes */
};

/* Those that a file of operations has. */
struct Operations {
  const Operation* first;
  size_t count;
};

/* NULL: none is so called. */
const Operation* find_operation(std::string_view name);

/* Input of a node, or output of a function. */
struct Input {
  int64_t value = -1;   /* its number; -1: what follows */
  bool is_last = false; /* nobody uses the value afterwards */
  Array constant;
};

enum class Control : uint8_t { kOperation, kWhile, kIf };

struct Node {
  const Operation* operation = nullptr; /* NULL: it calls functions */
  Control control = Control::kOperation;
  const char* name = "";
  std::vector<Input> inputs;         /* without the weight */
  std::vector<Attribute> attributes; /* in the order of the operation's rules */
  const bcq_weight* weight = nullptr;
  Function* called[2] = {};
  int64_t first_output = 0, outputs = 1;
  std::vector<int64_t> ends;    /* outputs that nobody uses */
  std::vector<Array> arguments; /* room for the inputs while it runs */

  int64_t count() const { return static_cast<int64_t>(inputs.size()); }
  const Attribute& operator[](int attribute) const {
    return attributes[static_cast<size_t>(attribute)];
  }
};

}  // namespace bcq::graph

#endif
