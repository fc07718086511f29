/* The ops on the CPU: the core's functions, on as many threads as TensorFlow has. */
#include "core/parallel.h"
#include "tf/kernel.h"
#include "tf/ops/all.h"

namespace bcq {
namespace {

Cpu cpu_of(OpKernelContext* c) {
  return {bcq_threads(c->device()->tensorflow_cpu_worker_threads()->num_threads)};
}

const bool kKernelsRegistered = AllOps::for_each([](auto op) {
  using Op = typename decltype(op)::type;
  register_kernel<Op, cpu_of>(
      tensorflow::KernelDefBuilder(Op::kName).Device(tensorflow::DEVICE_CPU).Build());
});

}  // namespace
}  // namespace bcq
