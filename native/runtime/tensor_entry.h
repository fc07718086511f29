/* What the header says of one tensor. */
#ifndef BCQ_RUNTIME_TENSOR_ENTRY_H_
#define BCQ_RUNTIME_TENSOR_ENTRY_H_

#include "runtime/json.h"
#include "runtime/tensors.h"

namespace bcq::runtime {

/* The tensor of an entry, which must begin at `begin` of the `bytes` bytes of data and be whole.
 * Throws Failure where it breaks a rule. */
Tensor read_entry(std::string name, const JsonValue& entry, const uint8_t* data, int64_t begin,
                  int64_t bytes);

/* Throws Failure unless a tensor, at `begin` of the data, has this checksum, and booleans are 0
 * and 1. */
void check_data(const Tensor& tensor, int64_t checksum, int64_t begin);

}  // namespace bcq::runtime

#endif
