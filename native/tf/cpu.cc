/* The ops on the CPU: the core's functions on TensorFlow's own threads. */
#include "tf/kernel.h"
#include "tf/ops/all.h"
#include "tf/threads.h"

namespace bcq {
namespace {

Cpu cpu_of(OpKernelContext* c) { return {threads_of(c)}; }

const bool kKernelsRegistered = AllOps::for_each([](auto op) {
  using Op = typename decltype(op)::type;
  register_kernel<Op, cpu_of>(
      tensorflow::KernelDefBuilder(Op::kName).Device(tensorflow::DEVICE_CPU).Build());
});

}  // namespace
}  // namespace bcq
