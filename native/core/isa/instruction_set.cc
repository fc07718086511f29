#include "core/isa/instruction_set.h"

#include <cstdlib>
#include <cstring>

namespace bcq {

/* BCQ_INSTRUCTION_SETS, of CMakeLists.txt, is BCQ_SET(name) for each. */
#define BCQ_SET(name) \
  namespace name { \
  extern const InstructionSet kSet; \
  }
BCQ_INSTRUCTION_SETS
#undef BCQ_SET

namespace {

#define BCQ_SET(name) &name::kSet,
constexpr const InstructionSet* kSets[] = {BCQ_INSTRUCTION_SETS};
#undef BCQ_SET

template <class Kernels>
void take_over(Kernels of_set, Kernels* chosen) {
  if (of_set != nullptr) *chosen = of_set;
}

InstructionSet choose() {
  const char* wanted = std::getenv("BCQ_TF_ISA");
  InstructionSet chosen = {};
  for (const InstructionSet* set : kSets) {
    if (!set->supported()) continue;
    chosen.name = set->name;
    take_over(set->product, &chosen.product);
    take_over(set->lookup, &chosen.lookup);
    take_over(set->embedding, &chosen.embedding);
    take_over(set->gradients, &chosen.gradients);
    take_over(set->quadratic, &chosen.quadratic);
    take_over(set->solver, &chosen.solver);
    take_over(set->batch, &chosen.batch);
    if (wanted != nullptr && std::strcmp(wanted, set->name) == 0) break;
  }
  return chosen;
}

}  // namespace

const InstructionSet& isa() {
  static const InstructionSet chosen = choose();
  return chosen;
}

}  // namespace bcq

const char* bcq_instruction_set(void) { return bcq::isa().name; }

const char* bcq_instruction_sets(void) {
#define BCQ_SET(name) " " #name
  return &(BCQ_INSTRUCTION_SETS)[1];
#undef BCQ_SET
}
