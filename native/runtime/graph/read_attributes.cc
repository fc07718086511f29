#include <algorithm>
#include <iterator>

#include "runtime/failure.h"
#include "runtime/graph/read_graph.h"

namespace bcq::graph {

using runtime::JsonValue;

namespace {

/* The place of a text among some; -1: it is none of them. */
int64_t place_of(const std::string& text, std::initializer_list<const char*> names) {
  const auto found = std::find(names.begin(), names.end(), text);
  return found == names.end() ? -1 : std::distance(names.begin(), found);
}

bool read_integer(const JsonValue& value, int64_t* to) {
  const std::optional<int64_t> number = value.integer();
  if (number) *to = *number;
  return number.has_value();
}

bool read_list(const JsonValue& value, std::vector<int64_t>* to) {
  bool fits = value.is_array();
  if (!fits) return false;
  value.items([&](const JsonValue& item) {
    int64_t number = 0;
    fits = fits && read_integer(item, &number);
    if (fits) to->push_back(number);
  });
  return fits;
}

bool read_dtype(const std::string& text, int64_t* to) {
  bcq_dtype dtype;
  if (!find_dtype(text, &dtype) || !is_known(dtype)) return false;
  *to = dtype;
  return true;
}

bool read_text(AttributeType type, const JsonValue& value, Attribute* to) {
  if (!value.is_string()) return false;
  to->text = value.string();
  switch (type) {
    case AttributeType::kDtype:
      return read_dtype(to->text, &to->integer);
    case AttributeType::kPrecision:
      to->integer = place_of(to->text, {"exact", "fast"});
      return to->integer >= 0;
    case AttributeType::kPadding:
      to->integer = place_of(to->text, {"SAME", "VALID", "EXPLICIT"});
      return to->integer >= 0;
    case AttributeType::kMirror:
      to->integer = place_of(to->text, {"REFLECT", "SYMMETRIC"});
      return to->integer >= 0;
    default:
      return true;
  }
}

/* False: it is of another type. */
bool read(AttributeType type, const JsonValue& value, Attribute* to) {
  to->given = true;
  switch (type) {
    case AttributeType::kInteger:
      return read_integer(value, &to->integer);
    case AttributeType::kNumber:
      to->number = value.number().value_or(0);
      return value.number().has_value();
    case AttributeType::kFlag:
      to->integer = value.boolean().value_or(false) ? 1 : 0;
      return value.boolean().has_value();
    case AttributeType::kList:
      return read_list(value, &to->list);
    default:
      return read_text(type, value, to);
  }
}

}  // namespace

std::vector<Attribute> read_attributes(const std::string& function, const Operation& operation,
                                       const JsonValue* given) {
  std::vector<Attribute> attributes;
  size_t found = 0;
  const runtime::Piece of = runtime::quoted(operation.name);
  const auto refuse_others = [&] { refuse(function, "gives ", of, " other attributes"); };
  for (const AttributeRule& rule : operation.attributes) {
    attributes.emplace_back();
    const auto value = given == nullptr ? std::nullopt : given->member(rule.name);
    if (!value && !rule.optional) refuse_others();
    if (!value) continue;
    ++found;
    if (read(rule.type, *value, &attributes.back())) continue;
    refuse(function, "gives ", of, " ", rule.name, "=", runtime::shown(value->text()));
  }
  if (given != nullptr && given->size() != found) {
    refuse_others();
  }
  return attributes;
}

}  // namespace bcq::graph
