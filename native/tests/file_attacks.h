/* Small files of codes of which one part is changed. */
#ifndef BCQ_TESTS_FILE_ATTACKS_H_
#define BCQ_TESTS_FILE_ATTACKS_H_

#include <map>

#include "tests/file_forms.h"

namespace bcq_test {

using Fields = std::map<std::string, std::string>;
using Parts = std::map<std::string, Part>;

/* A file of the weight w with these fields and tensors, and what `fields` and `parts` have in place
 * of them: "" and no dtype for what is left out. */
inline std::string one_weight(Fields entry, Parts tensors, const Fields& fields,
                              const Parts& parts) {
  for (const auto& [key, value] : fields) entry[key] = value;
  for (const auto& [key, part] : parts) tensors[key] = part;
  Spec spec;
  for (const auto& [key, part] : tensors) {
    if (part.dtype.empty()) continue;
    spec.parts.push_back(part);
    spec.parts.back().name = "w/" + key;
  }
  align(&spec.parts);
  std::string text;
  for (const auto& [key, value] : entry) {
    if (!value.empty()) text += (text.empty() ? "" : ",") + quote(key) + ":" + value;
  }
  spec.weights = "{\"w\":{" + text + "}}";
  return bytes_of(spec);
}

template <class T>
Part part(const char* dtype, const char* shape, const std::vector<T>& values) {
  return {"", dtype, shape, octets(values)};
}

/* Two rows of five columns; the second has one bit. */
inline std::string codes_file(const Fields& fields = {}, const Parts& parts = {}) {
  return one_weight({{"kind", "\"codes\""},
                     {"columns", "5"},
                     {"group_size", "null"},
                     {"rows", "[2,1]"},
                     {"offset", "false"},
                     {"row_order", "false"}},
                    {{"planes", part<uint32_t>("U32", "[3,1]", {3, 8, 31})},
                     {"scales", part<uint16_t>("F16", "[3,1]", {0x3c00, 0x4000, 0x4200})}},
                    fields, parts);
}

inline std::string uniform_file(const Fields& fields = {}, const Parts& parts = {}) {
  return one_weight({{"kind", "\"uniform\""},
                     {"bits", "3"},
                     {"columns", "4"},
                     {"limit", "0.5"},
                     {"zero_rows", "false"}},
                    {{"packed", part<uint8_t>("U8", "[2,2]", {0, 1, 2, 3})}}, fields, parts);
}

inline std::string compositional_file(const Fields& fields = {}, const Parts& parts = {}) {
  return one_weight({{"kind", "\"compositional\""}},
                    {{"packed", part<uint8_t>("U8", "[3,1]", {0, 1, 2})},
                     {"codebooks", part<float>("F32", "[1,3,2]", {1, 1, 1, 1, 1, 1})}},
                    fields, parts);
}

}  // namespace bcq_test

#endif
