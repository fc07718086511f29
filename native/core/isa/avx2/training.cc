#include <immintrin.h>

#include "core/isa/instruction_set.h"

namespace bcq::avx2 {

#include "core/isa/vectors.inl"
#include "core/isa/avx2/registers.inl"
#include "core/isa/portable/arithmetic.inl"
#include "core/isa/avx2/conversions.inl"
#include "core/isa/numbers.inl"
#include "core/embedding/kernels.inl"
#include "core/gradients/kernels.inl"
#include "core/quadratic/kernels.inl"

}  // namespace bcq::avx2
