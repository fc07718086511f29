/* NEON, which every 64-bit ARM processor has. */
#include "core/isa/instruction_set.h"

namespace bcq::neon {

extern const ProductKernels kProduct;
extern const LookupKernels kLookup;
extern const EmbeddingKernels kEmbedding;
extern const GradientKernels kGradients;
extern const QuadraticKernels kQuadratic;

static bool supported() { return true; }

extern const InstructionSet kSet = {"neon",      supported,   &kProduct,   &kLookup,
                                    &kEmbedding, &kGradients, &kQuadratic, nullptr};

}  // namespace bcq::neon
