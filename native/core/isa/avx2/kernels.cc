#include <immintrin.h>

#include "core/isa/instruction_set.h"

namespace bcq::avx2 {

#include "core/isa/vectors.inl"
#include "core/isa/avx2/registers.inl"
#include "core/isa/portable/arithmetic.inl"
#include "core/isa/avx2/conversions.inl"
#include "core/isa/numbers.inl"
#include "core/isa/avx2/table_sums.inl"
#include "core/product/kernels.inl"
#include "core/lookup/kernels.inl"

}  // namespace bcq::avx2
