/* What is thrown inside the library. */
#ifndef BCQ_RUNTIME_FAILURE_H_
#define BCQ_RUNTIME_FAILURE_H_

#include "core/matrix.h"
#include "runtime/message.h"

namespace bcq::runtime {

struct Failure {
  bcq_status status;
  std::string text;
};

/* Throws one. */
[[noreturn]] void fail(bcq_status status, std::initializer_list<Piece> pieces);

/* Throws: the file breaks a rule of its format. */
template <class... Pieces>
[[noreturn, gnu::always_inline]] inline void refuse(const Pieces&... pieces) {
  fail(BCQ_BAD_FILE, {Piece(pieces)...});
}

}  // namespace bcq::runtime

#endif
