#include "core/isa/instruction_set.h"

namespace bcq::portable {

#include "core/isa/vectors.inl"
#include "core/isa/portable/registers.inl"
#include "core/isa/portable/arithmetic.inl"
#include "core/isa/portable/conversions.inl"
#include "core/isa/numbers.inl"
#include "core/embedding/kernels.inl"
#include "core/gradients/kernels.inl"
#include "core/quadratic/kernels.inl"

}  // namespace bcq::portable
