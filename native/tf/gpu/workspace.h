/* Functions that a program compiled by XLA calls on CUDA devices, and their memory of the device. */
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

/* Makes NAME(stream, scratch, args, rets, facts), within namespace bcq, the call "BcqNAME". */
#define BCQ_REGISTER_CUDA(NAME)                                                   \
  XLA_FFI_DEFINE_HANDLER(k##NAME, NAME,                                           \
                         ffi::Ffi::Bind()                                         \
                             .Ctx<ffi::PlatformStream<void*>>()                   \
                             .Ctx<Scratch>()                                      \
                             .RemainingArgs()                                     \
                             .RemainingRets()                                     \
                             .Attr<Facts>("facts"));                              \
  XLA_FFI_REGISTER_HANDLER(XLA_FFI_GetApi(), "Bcq" #NAME, "CUDA", k##NAME)

#endif
