#include <immintrin.h>

#include "kernels.h"

#define BCQ_AVX2

namespace bcq {
namespace avx2 {
#include "../product/lanes.inl"

#include "kernels.inl"
}  // namespace avx2

const LookupKernels kAvx2Lookup = avx2::kLookup;

}  // namespace bcq
