#include <immintrin.h>

#include "core/isa/instruction_set.h"

namespace bcq::amx {

#include "core/isa/vectors.inl"
#include "core/isa/avx512/registers.inl"
#include "core/isa/avx512/arithmetic.inl"
#include "core/isa/avx512/conversions.inl"
#include "core/isa/numbers.inl"
#include "core/product/signs.inl"
#include "core/product/dequantize.inl"
#include "core/product/inputs.inl"
#include "core/product/outputs.inl"
#include "core/isa/amx/tiles.inl"
#include "core/isa/amx/digits.inl"
#include "core/isa/amx/signs.inl"
#include "core/isa/amx/levels.inl"
#include "core/isa/amx/work.inl"
#include "core/isa/amx/exact.inl"
#include "core/isa/amx/by_planes.inl"
#include "core/isa/amx/by_levels.inl"
#include "core/isa/amx/fast.inl"

enum { kLeastBlock = 16, kMostBytes = 1 << 20 };  // half of the second-level cache

extern const BatchKernels kBatch = {{{3, BCQ_MAX_BITS, kLeastBlock, Exact::kMostRows, 4, kMostBytes,
                                      .13, plan<3>, prepare<3>, multiply<Exact>},
                                     {5, kMostLevelBits, kLeastBlock, kMostBlock, 4, kMostBytes,
                                      .06, plan<2>, prepare<2>, multiply<Fast>}}};

}  // namespace bcq::amx
