/* AVX2, with FMA and F16C. */
#include "core/isa/instruction_set.h"

namespace bcq::solver::avx2 {
Worker choose_worker(int bits, bool offset);
}

namespace bcq::avx2 {

extern const ProductKernels kProduct;
extern const LookupKernels kLookup;
extern const EmbeddingKernels kEmbedding;
extern const GradientKernels kGradients;
extern const QuadraticKernels kQuadratic;

static bool supported() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c");
}

extern const InstructionSet kSet = {
    "avx2",      supported,   &kProduct,   &kLookup,
    &kEmbedding, &kGradients, &kQuadratic, solver::avx2::choose_worker};

}  // namespace bcq::avx2
