#include <arm_neon.h>

#include "core/isa/instruction_set.h"

namespace bcq::neon {

#include "core/isa/vectors.inl"
#include "core/isa/neon/registers.inl"
#include "core/isa/portable/arithmetic.inl"
#include "core/isa/neon/conversions.inl"
#include "core/isa/numbers.inl"
#include "core/embedding/kernels.inl"
#include "core/gradients/kernels.inl"
#include "core/quadratic/kernels.inl"

}  // namespace bcq::neon
