#include <immintrin.h>

#include "kernels.h"

#define BCQ_AVX2

namespace bcq {
namespace avx2 {
#include "lanes.inl"

#include "lookup_avx2.inl"

#include "kernels.inl"
}  // namespace avx2

const Kernels kAvx2Kernels = avx2::kKernels;

}  // namespace bcq
