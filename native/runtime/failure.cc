#include "runtime/failure.h"

namespace bcq::runtime {

void fail(bcq_status status, std::initializer_list<Piece> pieces) {
  throw Failure{status, joined(pieces)};
}

}  // namespace bcq::runtime
