/* NEON with dot products of bytes: ARMv8.4, and most of ARMv8.2. */
#include "core/isa/instruction_set.h"

#ifdef __linux__
#include <sys/auxv.h>
#endif

namespace bcq::dotprod {

extern const ProductKernels kProduct;

static bool supported() {
#ifdef __linux__
  constexpr unsigned long kDotProducts = 1ul << 20;  // HWCAP_ASIMDDP
  return (getauxval(AT_HWCAP) & kDotProducts) != 0;
#else
  return true;  // all of Apple's that run its present systems
#endif
}

extern const InstructionSet kSet = {"dotprod", supported, &kProduct, nullptr,
                                    nullptr,   nullptr,   nullptr,   nullptr};

}  // namespace bcq::dotprod
