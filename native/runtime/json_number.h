/* The numbers of JSON as doubles. */
#ifndef BCQ_RUNTIME_JSON_NUMBER_H_
#define BCQ_RUNTIME_JSON_NUMBER_H_

#include <optional>
#include <string_view>

namespace bcq::runtime {

/* The double nearest to a number; nothing where it is past the largest. */
std::optional<double> nearest_double(std::string_view number);

}  // namespace bcq::runtime

#endif
