#include <immintrin.h>

#include "kernels.h"

#define BCQ_AVX512

namespace bcq {
namespace avx512 {
#include "lanes.inl"

#include "lookup_avx512.inl"

#include "kernels.inl"
}  // namespace avx512

const Kernels kAvx512Kernels = avx512::kKernels;

}  // namespace bcq
