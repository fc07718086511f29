/* Uniform codes of a file: bcq_tf/codes/uniform.py has the same rules. */
#ifndef BCQ_RUNTIME_UNIFORM_H_
#define BCQ_RUNTIME_UNIFORM_H_

#include "runtime/entry.h"

namespace bcq::runtime {

/* Takes the tensors of the entry; throws Failure where a rule is broken. */
bcq_uniform read_uniform(const Entry& entry);

}  // namespace bcq::runtime

#endif
