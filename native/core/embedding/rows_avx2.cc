#include <immintrin.h>

#include "rows.h"

#define BCQ_AVX2

namespace bcq {
namespace avx2 {
#include "../product/lanes.inl"

#include "rows.inl"
}  // namespace avx2

const RowKernels kAvx2Rows = avx2::kRows;

}  // namespace bcq
