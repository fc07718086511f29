/* Plain C++. */
#include "core/isa/instruction_set.h"

namespace bcq::solver::portable {
Worker choose_worker(int bits, bool offset);
}

namespace bcq::portable {

extern const ProductKernels kProduct;
extern const LookupKernels kLookup;
extern const EmbeddingKernels kEmbedding;
extern const GradientKernels kGradients;
extern const QuadraticKernels kQuadratic;

static bool supported() { return true; }

extern const InstructionSet kSet = {
    "portable",  supported,   &kProduct,   &kLookup,
    &kEmbedding, &kGradients, &kQuadratic, solver::portable::choose_worker};

}  // namespace bcq::portable
