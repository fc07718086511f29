/* What a program compiled by XLA calls: an op's run(). compile.cc has checked the shapes. */
#ifndef BCQ_TF_XLA_CALL_H_
#define BCQ_TF_XLA_CALL_H_

#include <algorithm>
#include <string>

#include "tf/attributes.h"
#include "tf/op.h"
#include "xla/ffi/api/c_api.h"
#include "xla/ffi/api/ffi.h"

namespace bcq {

namespace ffi = xla::ffi;
using Args = ffi::RemainingArgs;
using Rets = ffi::RemainingRets;
using Numbers = ffi::Span<const int64_t>;

inline bcq_type type_of(ffi::DataType type) {
  return type == ffi::DataType::F16    ? BCQ_FLOAT16
         : type == ffi::DataType::BF16 ? BCQ_BFLOAT16
                                       : BCQ_FLOAT32;
}

template <class Void>
Buffer<Void> buffer_of(const ffi::AnyBuffer& buffer) {
  const auto dims = buffer.dimensions();
  return {buffer.untyped_data(), type_of(buffer.element_type()),
          static_cast<int64_t>(ffi::ByteWidth(buffer.element_type())),
          Dims(dims.begin(), dims.end())};
}

/* The elements after output.count, of `count`, become the first. */
inline void repeat_first(const Output& output, int64_t count) {
  char* data = output.as<char>();
  for (int64_t i = output.count; i < count; ++i) {
    std::copy_n(data, output.width, data + i * output.width);
  }
}

template <class Op, class Device>
ffi::Error call_op(const Device& device, const Args& args, const Rets& rets, Numbers attributes) {
  const Op op = decode<Op>(attributes.begin());
  Inputs in;
  Outputs out;
  for (size_t i = 0; i < args.size(); ++i) {
    in.push_back(buffer_of<const void>(args.get<ffi::AnyBuffer>(i).value()));
  }
  for (size_t i = 0; i < rets.size(); ++i) {
    out.push_back(buffer_of<void>(*rets.get<ffi::AnyBuffer>(i).value()));
  }
  const int64_t count = out[0].count;
  const absl::Status status = op.run(in, out, device);
  if (!status.ok()) { /* XLA has absl's codes */
    return ffi::Error(static_cast<ffi::ErrorCode>(status.code()), std::string(status.message()));
  }
  if (Op::kShortens) repeat_first(out[0], count);
  return ffi::Error::Success();
}

/* The rest of a binding whose context has been told. */
template <class Binding>
auto with_arguments(Binding binding) {
  return std::move(binding).RemainingArgs().RemainingRets().template Attr<Numbers>("attributes");
}

}  // namespace bcq

#endif
