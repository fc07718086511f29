#include <immintrin.h>

#include "core/isa/instruction_set.h"

namespace bcq::avx512 {

#include "core/isa/vectors.inl"
#include "core/isa/avx512/registers.inl"
#include "core/isa/avx512/arithmetic.inl"
#include "core/isa/avx512/conversions.inl"
#include "core/isa/numbers.inl"
#include "core/embedding/kernels.inl"
#include "core/gradients/kernels.inl"
#include "core/quadratic/kernels.inl"

}  // namespace bcq::avx512
