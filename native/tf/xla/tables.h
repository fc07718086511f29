/* How tables_compile.cc hands an op's tables to the functions that the program calls: the sizes,
 * then the dims, then 1 where the gradient must be deterministic, as one list of numbers in the
 * compiled program. */
#ifndef BCQ_TF_XLA_TABLES_H_
#define BCQ_TF_XLA_TABLES_H_

#include "core/embedding/embedding.h"
#include "tf/xla/arguments.h"

namespace bcq {

inline bcq_tables TablesOf(Facts facts) {
  const int64_t count = static_cast<int64_t>(facts.size()) / 2;
  return {count, facts.begin(), facts.begin() + count};
}

inline bool IsDeterministic(Facts facts) { return facts[facts.size() - 1] != 0; }

inline bcq_ids IdsOf(const ffi::AnyBuffer& ids) {
  return {ids.untyped_data(), ids.element_type() == ffi::DataType::S64 ? 8 : 4};
}

inline int64_t BatchOf(const ffi::AnyBuffer& ids, const bcq_tables& tables) {
  return static_cast<int64_t>(ids.element_count()) / tables.count;
}

}  // namespace bcq

#endif
