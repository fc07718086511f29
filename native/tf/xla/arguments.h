/* What the functions that a program compiled by XLA calls make of their arguments; the same for the
 * CPU and for CUDA. */
#ifndef BCQ_TF_XLA_ARGUMENTS_H_
#define BCQ_TF_XLA_ARGUMENTS_H_

#include <string>

#include "core/matrix.h"
#include "tf/row_numbers.h"
#include "tf/xla/facts.h"
#include "xla/ffi/api/c_api.h"
#include "xla/ffi/api/ffi.h"

namespace bcq {

namespace ffi = xla::ffi;
using Args = ffi::RemainingArgs;
using Rets = ffi::RemainingRets;
using Facts = ffi::Span<const int64_t>;

inline ffi::AnyBuffer Arg(const Args& args, size_t i) {
  return args.get<ffi::AnyBuffer>(i).value();
}

inline ffi::AnyBuffer Ret(const Rets& rets, size_t i) {
  return *rets.get<ffi::AnyBuffer>(i).value();
}

inline bcq_type Type(const ffi::AnyBuffer& buffer) {
  switch (buffer.element_type()) {
    case ffi::DataType::F16:
      return BCQ_FLOAT16;
    case ffi::DataType::BF16:
      return BCQ_BFLOAT16;
    default:
      return BCQ_FLOAT32;
  }
}

inline const int64_t* Ids(const ffi::AnyBuffer& buffer) {
  return static_cast<const int64_t*>(buffer.untyped_data());
}

/* The facts are constants of the program, the tensors the last five arguments. */
inline bcq_matrix MakeMatrix(const Args& args, Facts facts) {
  constexpr size_t kCodesArgs = 5;
  const size_t first = args.size() - kCodesArgs;
  const auto data = [&](size_t i) -> const void* {
    const ffi::AnyBuffer tensor = Arg(args, first + i);
    return tensor.element_count() == 0 ? nullptr : tensor.untyped_data();
  };
  bcq_matrix matrix = {};
  matrix.rows = facts[kFactRows];
  matrix.columns = facts[kFactColumns];
  matrix.group_size = facts[kFactGroupSize];
  matrix.bits = static_cast<int32_t>(facts.size() - kFactPlaneRows);
  matrix.plane_rows = facts.begin() + kFactPlaneRows;
  matrix.tiles = static_cast<const uint32_t*>(data(0));
  matrix.scales = data(1);
  matrix.scale_type = Type(Arg(args, first + 1));
  matrix.offset = data(2);
  matrix.row_order = static_cast<const int32_t*>(data(3));
  matrix.row_place = static_cast<const int32_t*>(data(4));
  return matrix;
}

/* Where the gradients of scales and offset go; NULL where there is no offset. */
inline float* ScalesGradient(const Rets& rets) {
  return static_cast<float*>(Ret(rets, 0).untyped_data());
}
inline float* OffsetGradient(const bcq_matrix& matrix, const Rets& rets) {
  return matrix.offset == nullptr ? nullptr : static_cast<float*>(Ret(rets, 1).untyped_data());
}

inline std::string RowsRule(const char* name, const bcq_matrix& matrix) {
  return "`" + std::string(name) + "` must be from 0 to " + std::to_string(matrix.rows - 1) +
         ". Received: ";
}

inline ffi::Error ToError(bcq_status status) {
  switch (status) {
    case BCQ_OK:
      return ffi::Error::Success();
    case BCQ_NO_MEMORY:
      return ffi::Error(ffi::ErrorCode::kResourceExhausted, "bcq_tf: out of memory");
    case BCQ_NO_DEVICE:
      return ffi::Error::Internal("bcq_tf: the CUDA driver reports an error");
    default:
      return ffi::Error::InvalidArgument("bcq_tf: the codes break a rule of the compiled core");
  }
}

inline ffi::Error ToError(bcq_status status, const bcq_matrix& matrix) {
  return status == BCQ_BAD_ROWS ? ffi::Error::InvalidArgument(BadRows(matrix)) : ToError(status);
}

inline ffi::Error BadId(const bcq_matrix& matrix, int64_t index, int64_t id) {
  return ffi::Error::InvalidArgument(RowsRule("ids", matrix) + "ids[" + std::to_string(index) +
                                     "]=" + std::to_string(id));
}

}  // namespace bcq

#endif
