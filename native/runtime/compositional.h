/* Compositional codes of a file: bcq_tf/codes/compositional.py has the same rules. */
#ifndef BCQ_RUNTIME_COMPOSITIONAL_H_
#define BCQ_RUNTIME_COMPOSITIONAL_H_

#include "runtime/entry.h"

namespace bcq::runtime {

/* Takes the tensors of the entry; throws Failure where a rule is broken. */
bcq_compositional read_compositional(const Entry& entry);

}  // namespace bcq::runtime

#endif
