/* AVX-512 F, BW, DQ, VL, VBMI and VNNI, with what AVX2 has. */
#include "core/isa/instruction_set.h"

namespace bcq::solver::avx512 {
Worker choose_worker(int bits, bool offset);
}

namespace bcq::avx512 {

extern const ProductKernels kProduct;
extern const LookupKernels kLookup;
extern const EmbeddingKernels kEmbedding;
extern const GradientKernels kGradients;
extern const QuadraticKernels kQuadratic;

static bool supported() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c") && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi") &&
         __builtin_cpu_supports("avx512vnni");
}

extern const InstructionSet kSet = {
    "avx512",    supported,   &kProduct,   &kLookup,
    &kEmbedding, &kGradients, &kQuadratic, solver::avx512::choose_worker};

}  // namespace bcq::avx512
