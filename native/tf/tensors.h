/* TensorFlow's tensors as the core's arguments. */
#ifndef BCQ_TF_TENSORS_H_
#define BCQ_TF_TENSORS_H_

#include "core/ids.h"
#include "core/matrix.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/tensor.h"
#include "tf/facts.h"

namespace bcq {

inline const void* Data(const tensorflow::Tensor& tensor) { return tensor.data(); }
inline void* Data(tensorflow::Tensor& tensor) { return tensor.data(); }

inline bcq_type Type(const tensorflow::Tensor& tensor) {
  switch (tensor.dtype()) {
    case tensorflow::DT_HALF:
      return BCQ_FLOAT16;
    case tensorflow::DT_BFLOAT16:
      return BCQ_BFLOAT16;
    default:
      return BCQ_FLOAT32;
  }
}

inline bcq_ids Ids(const tensorflow::Tensor& ids) {
  return {Data(ids), ids.dtype() == tensorflow::DT_INT64 ? 8 : 4};
}

/* The matrix of an op's last five inputs, their shapes checked. */
inline absl::Status ReadMatrix(tensorflow::OpKernelContext* c, const Facts& facts,
                               bcq_matrix* matrix) {
  const int first = c->num_inputs() - kCodesInputs;
  CodesShapes shapes;
  std::array<const void*, kCodesInputs> data;
  for (int i = 0; i < kCodesInputs; ++i) {
    const tensorflow::Tensor& input = c->input(first + i);
    shapes[i] = input.shape();
    data[i] = input.NumElements() == 0 ? nullptr : Data(input);
  }
  TF_RETURN_IF_ERROR(CheckCodes(facts, shapes));
  *matrix = MakeMatrix(facts, Type(c->input(first + kScales)), data);
  return absl::OkStatus();
}

/* The outputs 0 and 1 of the gradients of scales and offset; NULL where there is no offset. */
struct Gradients {
  float* scales;
  float* offset;
};

inline absl::Status AllocateGradients(tensorflow::OpKernelContext* c, const Facts& facts,
                                      Gradients* d) {
  const TensorShape offset = c->input(c->num_inputs() - kCodesInputs + kOffset).shape();
  tensorflow::Tensor *dscales, *doffset;
  TF_RETURN_IF_ERROR(c->allocate_output(0, facts.ScalesShape(), &dscales));
  TF_RETURN_IF_ERROR(c->allocate_output(1, offset, &doffset));
  d->scales = static_cast<float*>(Data(*dscales));
  d->offset = offset.num_elements() == 0 ? nullptr : static_cast<float*>(Data(*doffset));
  return absl::OkStatus();
}

}  // namespace bcq

#endif
