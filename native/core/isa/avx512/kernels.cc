#include <immintrin.h>

#include "core/isa/instruction_set.h"

namespace bcq::avx512 {

#include "core/isa/vectors.inl"
#include "core/isa/avx512/registers.inl"
#include "core/isa/avx512/arithmetic.inl"
#include "core/isa/avx512/conversions.inl"
#include "core/isa/numbers.inl"
#include "core/isa/avx512/table_sums.inl"
#include "core/product/kernels.inl"
#include "core/lookup/kernels.inl"

}  // namespace bcq::avx512
