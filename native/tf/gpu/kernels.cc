/* The ops on CUDA devices: the functions of native/cuda on the stream of the op. */
#include "tf/kernel.h"
#include "tf/ops/all.h"
#include "xla/stream_executor/stream.h"

namespace bcq {
namespace {

/* What is allocated is free again when the kernel has been computed and the stream has passed. */
Cuda cuda_of(OpKernelContext* c) {
  const auto allocate = [c, memory = Tensor()](int64_t bytes, void** place) mutable {
    TF_RETURN_IF_ERROR(c->allocate_temp(tensorflow::DT_UINT8, TensorShape({bytes}), &memory));
    *place = memory.data();
    return absl::OkStatus();
  };
  return {c->op_device_context()->stream()->platform_specific_handle().stream, allocate};
}

/* Not those on a variable: its lock does not last until the stream has passed. Ids may be int64
 * alone, since TensorFlow keeps int32 tensors of CUDA ops in host memory. */
template <class Op>
void register_for_cuda() {
  if constexpr (RunsOn<Op, Cuda>::value && !Op::kReadsVariable) {
    tensorflow::KernelDefBuilder kernel(Op::kName);
    kernel.Device(tensorflow::DEVICE_GPU);
    for (const std::string& definition : definitions<Op>()) {
      if (attribute_name(definition) == "I") kernel.TypeConstraint<int64_t>("I");
    }
    register_kernel<Op, cuda_of>(kernel.Build());
  }
}

const bool kKernelsRegistered =
    AllOps::for_each([](auto op) { register_for_cuda<typename decltype(op)::type>(); });

}  // namespace
}  // namespace bcq
