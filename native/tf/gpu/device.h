/* The stream of an op on a CUDA device, and memory there. */
#ifndef BCQ_TF_GPU_DEVICE_H_
#define BCQ_TF_GPU_DEVICE_H_

#include "tensorflow/core/framework/op_kernel.h"
#include "tf/facts.h"
#include "tf/tensors.h"
#include "xla/stream_executor/stream.h"

namespace bcq {

inline void* Stream(tensorflow::OpKernelContext* c) {
  return c->op_device_context()->stream()->platform_specific_handle().stream;
}

/* Memory of the device until the op's kernels have run; NULL where `bytes` is 0. */
inline absl::Status Workspace(tensorflow::OpKernelContext* c, int64_t bytes,
                              tensorflow::Tensor* holder, void** workspace) {
  if (bytes < 0) return ToStatus(BCQ_BAD_ARGUMENT);
  TF_RETURN_IF_ERROR(c->allocate_temp(tensorflow::DT_UINT8, TensorShape({bytes}), holder));
  *workspace = bytes == 0 ? nullptr : Data(*holder);
  return absl::OkStatus();
}

}  // namespace bcq

#endif
