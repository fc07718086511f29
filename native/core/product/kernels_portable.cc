#include "kernels.h"

namespace bcq {
namespace portable {
#include "lanes.inl"

#include "lookup_portable.inl"

#include "kernels.inl"
}  // namespace portable

const Kernels kPortableKernels = portable::kKernels;

}  // namespace bcq
