#include <arm_neon.h>

#include "core/isa/instruction_set.h"

namespace bcq::neon {

#include "core/isa/vectors.inl"
#include "core/isa/neon/registers.inl"
#include "core/isa/portable/arithmetic.inl"
#include "core/isa/neon/conversions.inl"
#include "core/isa/numbers.inl"
#include "core/isa/neon/products.inl"
#include "core/isa/neon/table_sums.inl"
#include "core/product/kernels.inl"
#include "core/lookup/kernels.inl"

}  // namespace bcq::neon
