#include <immintrin.h>

#include "rows.h"

#define BCQ_AVX512

namespace bcq {
namespace avx512 {
#include "../product/lanes.inl"

#include "rows.inl"
}  // namespace avx512

const RowKernels kAvx512Rows = avx512::kRows;

}  // namespace bcq
