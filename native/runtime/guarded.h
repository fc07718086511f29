/* What stands between the library, which throws, and C, which is told a status and a line of text.
 */
#ifndef BCQ_RUNTIME_GUARDED_H_
#define BCQ_RUNTIME_GUARDED_H_

#include <cstddef>
#include <exception>
#include <string>

#include "runtime/failure.h"

namespace bcq::runtime {

/* As much of a text as there is room for, in whole characters, on one line. */
void write_message(const std::string& text, char* message, size_t size);

/* Calls what may throw: its status, and the message of what where(status) and the failure say. */
template <class Where, class Call>
bcq_status guarded(char* message, size_t size, const Where& where, const Call& call) {
  if (message != nullptr && size > 0) message[0] = '\0';
  try {
    try {
      call();
      return BCQ_OK;
    } catch (const Failure& failure) {
      write_message(where(failure.status) + failure.text, message, size);
      return failure.status;
    } catch (const std::exception&) {
      write_message(where(BCQ_NO_MEMORY) + "the system has no more memory", message, size);
    }
  } catch (const std::exception&) { /* no memory for the message */
  }
  return BCQ_NO_MEMORY;
}

}  // namespace bcq::runtime

#endif
