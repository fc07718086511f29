#include "core/isa/instruction_set.h"

namespace bcq::portable {

#include "core/isa/vectors.inl"
#include "core/isa/portable/registers.inl"
#include "core/isa/portable/arithmetic.inl"
#include "core/isa/portable/conversions.inl"
#include "core/isa/numbers.inl"
#include "core/isa/portable/table_sums.inl"
#include "core/product/kernels.inl"
#include "core/lookup/kernels.inl"

}  // namespace bcq::portable
