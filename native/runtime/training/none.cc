/* In place of what is for training alone, half of the core, in the library that opens files:
 * instruction sets name these, and nothing there calls them. */
#include "core/isa/instruction_set.h"

#define BCQ_NONE(set) \
  namespace bcq { \
  namespace set { \
  extern const EmbeddingKernels kEmbedding = {}; \
  extern const GradientKernels kGradients = {}; \
  extern const QuadraticKernels kQuadratic = {}; \
  } \
  namespace solver::set { \
  Worker choose_worker(int, bool) { return nullptr; } \
  } \
  }

BCQ_NONE(portable)
BCQ_NONE(avx2)
BCQ_NONE(avx512)
BCQ_NONE(neon)
