/* What a program compiled by XLA calls on CUDA devices: the functions of native/cuda on the
 * program's stream. */
#include "tf/ops/all.h"
#include "tf/xla/call.h"

namespace bcq {
namespace {

template <class Op>
ffi::Error call_on_cuda(void* stream, ffi::ScratchAllocator scratch, Args args, Rets rets,
                        Numbers attributes) {
  const auto allocate = [&scratch](int64_t bytes, void** place) {
    constexpr size_t kAlignment = 16;
    const auto memory = scratch.Allocate(static_cast<size_t>(bytes), kAlignment);
    if (!memory.has_value()) return core_status(BCQ_NO_MEMORY);
    *place = *memory;
    return absl::OkStatus();
  };
  return call_op<Op>(Cuda{stream, allocate}, args, rets, attributes);
}

template <class Op>
XLA_FFI_Error* handle(XLA_FFI_CallFrame* frame) {
  static auto* handler =
      with_arguments(
          ffi::Ffi::Bind().Ctx<ffi::PlatformStream<void*>>().Ctx<ffi::ScratchAllocator>())
          .To(call_on_cuda<Op>)
          .release();
  return handler->Call(frame);
}

const bool kCallsRegistered = AllOps::for_each([](auto op) {
  using Op = typename decltype(op)::type;
  if constexpr (RunsOn<Op, Cuda>::value) {
    ffi::Ffi::RegisterStaticHandler(XLA_FFI_GetApi(), Op::kName, "CUDA", handle<Op>);
  }
});

}  // namespace
}  // namespace bcq
