/* What a program compiled by XLA calls on the CPU: the core's functions, on as many threads as XLA
 * has. */
#include "core/parallel.h"
#include "tf/ops/all.h"
#include "tf/xla/call.h"

namespace bcq {
namespace {

template <class Op>
ffi::Error call_on_cpu(ffi::ThreadPool pool, Args args, Rets rets, Numbers attributes) {
  const Cpu cpu = {bcq_threads(static_cast<int32_t>(pool.num_threads()))};
  return call_op<Op>(cpu, args, rets, attributes);
}

template <class Op>
XLA_FFI_Error* handle(XLA_FFI_CallFrame* frame) {
  static auto* handler =
      with_arguments(ffi::Ffi::Bind().Ctx<ffi::ThreadPool>()).To(call_on_cpu<Op>).release();
  return handler->Call(frame);
}

const bool kCallsRegistered = AllOps::for_each([](auto op) {
  using Op = typename decltype(op)::type;
  ffi::Ffi::RegisterStaticHandler(XLA_FFI_GetApi(), Op::kName, "Host", handle<Op>);
});

}  // namespace
}  // namespace bcq
