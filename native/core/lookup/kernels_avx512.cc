#include <immintrin.h>

#include "kernels.h"

#define BCQ_AVX512

namespace bcq {
namespace avx512 {
#include "../product/lanes.inl"

#include "kernels.inl"
}  // namespace avx512

const LookupKernels kAvx512Lookup = avx512::kLookup;

}  // namespace bcq
