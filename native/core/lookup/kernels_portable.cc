#include "kernels.h"

namespace bcq {
namespace portable {
#include "../product/lanes.inl"

#include "kernels.inl"
}  // namespace portable

const LookupKernels kPortableLookup = portable::kLookup;

}  // namespace bcq
