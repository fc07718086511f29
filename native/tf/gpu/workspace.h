/* Memory of the device for a call from a program compiled by XLA. */
#ifndef BCQ_TF_GPU_WORKSPACE_H_
#define BCQ_TF_GPU_WORKSPACE_H_

#include "tf/xla/arguments.h"

namespace bcq {

using Scratch = ffi::ScratchAllocator;

/* Runs call(workspace) with so many bytes of the device. */
template <typename Call>
ffi::Error WithWorkspace(Scratch& scratch, int64_t bytes, Call call) {
  constexpr size_t kAlignment = 16;
  if (bytes < 0) return ToError(BCQ_BAD_ARGUMENT);
  if (bytes == 0) return call(nullptr);
  const auto workspace = scratch.Allocate(static_cast<size_t>(bytes), kAlignment);
  return workspace.has_value() ? call(*workspace) : ToError(BCQ_NO_MEMORY);
}

}  // namespace bcq

#endif
