/* Binary codes of a file: bcq_tf/codes/binary.py has the same rules. */
#ifndef BCQ_RUNTIME_BINARY_H_
#define BCQ_RUNTIME_BINARY_H_

#include "runtime/entry.h"
#include "runtime/tables.h"

namespace bcq::runtime {

/* Takes the tensors of the entry; what the core needs in another form goes to the tables. Throws
 * Failure where a rule is broken. */
bcq_matrix read_binary(const Entry& entry, Tables* tables);

}  // namespace bcq::runtime

#endif
