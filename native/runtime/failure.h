/* What is thrown inside the library where a file is refused, and values in messages. */
#ifndef BCQ_RUNTIME_FAILURE_H_
#define BCQ_RUNTIME_FAILURE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "core/matrix.h"

namespace bcq::runtime {

struct Failure {
  bcq_status status;
  std::string text;
};

/* Throws: the file breaks a rule of its format. */
[[noreturn]] void refuse(const std::string& text);

/* Text out of a file on one line, in quotes, of a bounded length. */
std::string quoted(std::string_view text);

/* The same without quotes, for values that are JSON. */
std::string shown(std::string_view text);

/* A number of six digits. */
std::string shown(double number);

/* "[2, 3]" */
std::string shown(const int64_t* shape, int64_t rank);

}  // namespace bcq::runtime

#endif
