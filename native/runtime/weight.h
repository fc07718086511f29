/* One weight of a file, of any kind. */
#ifndef BCQ_RUNTIME_WEIGHT_H_
#define BCQ_RUNTIME_WEIGHT_H_

#include "runtime/bcq.h"
#include "runtime/json.h"
#include "runtime/tables.h"
#include "runtime/tensors.h"

namespace bcq::runtime {

/* Takes the tensors that the entry has; the weight is valid as long as these, the tables and the
 * name. Throws Failure where a rule is broken. */
bcq_weight read_weight(const std::string& name, const JsonValue& entry, Tensors* tensors,
                       Tables* tables);

}  // namespace bcq::runtime

#endif
