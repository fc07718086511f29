/* The kernels of each instruction set, and which of them this processor runs.
 *
 * A set is a folder beside this file and a line in CMakeLists.txt, which lists them from the least
 * to the best. Its set.cc, compiled for every processor of the family, tells when it can be used;
 * its other files are compiled for the set and include the *.inl of the rooms in the namespace of
 * the set. No function that they define may be one that another file could use: what they include
 * is types, constants and `static` functions.
 */
#ifndef BCQ_CORE_ISA_INSTRUCTION_SET_H_
#define BCQ_CORE_ISA_INSTRUCTION_SET_H_

#include "core/embedding/kernels.h"
#include "core/export.h"
#include "core/gradients/kernels.h"
#include "core/lookup/kernels.h"
#include "core/product/kernels.h"
#include "core/quadratic/kernels.h"
#include "core/solver/row.h"

namespace bcq {

struct InstructionSet {
  const char* name;
  bool (*supported)(); /* by this processor */
  /* The kernels of each room; NULL: those of the sets before serve. */
  const ProductKernels* product;
  const LookupKernels* lookup;
  const EmbeddingKernels* embedding;
  const GradientKernels* gradients;
  const QuadraticKernels* quadratic;
  solver::Worker (*solver)(int bits, bool offset);
  const BatchKernels* batch = nullptr; /* NULL in all sets: many rows are looked up, too */
};

/* The best that this processor has, room by room; or what the environment variable BCQ_TF_ISA asks
 * for where the processor has it. Chosen once. */
const InstructionSet& isa();

}  // namespace bcq

/* The name of that set, and those of all that were compiled, with spaces between. */
BCQ_EXPORT const char* bcq_instruction_set(void);
BCQ_EXPORT const char* bcq_instruction_sets(void);

#endif
