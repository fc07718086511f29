/* What a program compiled by XLA calls on the CPU: the core's functions, on XLA's own threads.
 * compile.cc has checked the shapes; the contents of the tensors are checked here. */
#include <string>

#include "core/gather/gather.h"
#include "core/product/product.h"
#include "tf/row_numbers.h"
#include "tf/xla/facts.h"
#include "tf/xla/threads.h"
#include "xla/ffi/api/c_api.h"
#include "xla/ffi/api/ffi.h"

namespace bcq {
namespace {

namespace ffi = xla::ffi;
using Args = ffi::RemainingArgs;
using Rets = ffi::RemainingRets;
using Facts = ffi::Span<const int64_t>;

constexpr size_t kCodesArgs = 5;

ffi::AnyBuffer Arg(const Args& args, size_t i) { return args.get<ffi::AnyBuffer>(i).value(); }
void* Ret(const Rets& rets, size_t i) {
  return (*rets.get<ffi::AnyBuffer>(i).value()).untyped_data();
}

bcq_type Type(const ffi::AnyBuffer& buffer) {
  switch (buffer.element_type()) {
    case ffi::DataType::F16:
      return BCQ_FLOAT16;
    case ffi::DataType::BF16:
      return BCQ_BFLOAT16;
    default:
      return BCQ_FLOAT32;
  }
}

/* The facts are constants of the program, the tensors the last five arguments. */
bcq_matrix Matrix(const Args& args, Facts facts) {
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

std::string RowsRule(const char* name, const bcq_matrix& matrix) {
  return "`" + std::string(name) + "` must be from 0 to " + std::to_string(matrix.rows - 1) +
         ". Received: ";
}

ffi::Error ToError(bcq_status status) {
  if (status == BCQ_OK) return ffi::Error::Success();
  if (status == BCQ_NO_MEMORY) {
    return ffi::Error(ffi::ErrorCode::kResourceExhausted, "bcq_tf: out of memory");
  }
  return ffi::Error::InvalidArgument("bcq_tf: the codes break a rule of the compiled core");
}

/* Runs call(matrix, parallel), which returns a bcq_status, unless a row number is bad. */
template <typename Call>
ffi::Error WithMatrix(ffi::ThreadPool pool, const Args& args, Facts facts, Call call) {
  const bcq_matrix matrix = Matrix(args, facts);
  const int64_t bad = BadRowNumber(matrix);
  if (bad >= 0) {
    return ffi::Error::InvalidArgument(RowsRule("row_order", matrix) + std::to_string(bad));
  }
  return call(matrix, XlaThreads(&pool));
}

ffi::Error Product(ffi::ThreadPool pool, Args args, Rets rets, Facts facts) {
  return WithMatrix(pool, args, facts, [&](const bcq_matrix& matrix, bcq_parallel parallel) {
    const ffi::AnyBuffer x = Arg(args, 0);
    return ToError(bcq_product(&matrix, static_cast<bcq_precision>(facts[kFactPrecision]), Type(x),
                               x.untyped_data(), x.element_count() / matrix.columns, Ret(rets, 0),
                               parallel));
  });
}

ffi::Error ProductTransposed(ffi::ThreadPool pool, Args args, Rets rets, Facts facts) {
  return WithMatrix(pool, args, facts, [&](const bcq_matrix& matrix, bcq_parallel parallel) {
    const ffi::AnyBuffer dy = Arg(args, 0);
    return ToError(bcq_product_transposed(&matrix, Type(dy), dy.untyped_data(),
                                          dy.element_count() / matrix.rows, Ret(rets, 0),
                                          parallel));
  });
}

float* OffsetGradient(const bcq_matrix& matrix, const Rets& rets) {
  return matrix.offset == nullptr ? nullptr : static_cast<float*>(Ret(rets, 1));
}

ffi::Error ProductScaleGradient(ffi::ThreadPool pool, Args args, Rets rets, Facts facts) {
  return WithMatrix(pool, args, facts, [&](const bcq_matrix& matrix, bcq_parallel parallel) {
    const ffi::AnyBuffer x = Arg(args, 0);
    return ToError(bcq_product_scale_gradient(
        &matrix, Type(x), x.untyped_data(), Arg(args, 1).untyped_data(),
        x.element_count() / matrix.columns, static_cast<float*>(Ret(rets, 0)),
        OffsetGradient(matrix, rets), parallel));
  });
}

ffi::Error ToError(const bcq_matrix& matrix, bcq_status status, const int64_t* ids, int64_t bad) {
  if (status != BCQ_BAD_ID) return ToError(status);
  return ffi::Error::InvalidArgument(RowsRule("ids", matrix) + "ids[" + std::to_string(bad) +
                                     "]=" + std::to_string(ids[bad]));
}

ffi::Error Gather(ffi::ThreadPool pool, Args args, Rets rets, Facts facts) {
  return WithMatrix(pool, args, facts, [&](const bcq_matrix& matrix, bcq_parallel parallel) {
    const auto* ids = static_cast<const int64_t*>(Arg(args, 0).untyped_data());
    const bcq_type type = Type(*rets.get<ffi::AnyBuffer>(0).value());
    int64_t bad = 0;
    const bcq_status status = bcq_gather(&matrix, ids, Arg(args, 0).element_count(), type,
                                         Ret(rets, 0), &bad, parallel);
    return ToError(matrix, status, ids, bad);
  });
}

ffi::Error GatherScaleGradient(ffi::ThreadPool pool, Args args, Rets rets, Facts facts) {
  return WithMatrix(pool, args, facts, [&](const bcq_matrix& matrix, bcq_parallel parallel) {
    const auto* ids = static_cast<const int64_t*>(Arg(args, 0).untyped_data());
    const ffi::AnyBuffer dout = Arg(args, 1);
    int64_t bad = 0;
    const bcq_status status = bcq_gather_scale_gradient(
        &matrix, ids, Arg(args, 0).element_count(), Type(dout), dout.untyped_data(),
        static_cast<float*>(Ret(rets, 0)), OffsetGradient(matrix, rets), &bad, parallel);
    return ToError(matrix, status, ids, bad);
  });
}

#define BCQ_REGISTER(NAME)                                                                     \
  XLA_FFI_DEFINE_HANDLER(k##NAME, NAME,                                                        \
                         ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().RemainingArgs().RemainingRets() \
                             .Attr<Facts>("facts"));                                           \
  XLA_FFI_REGISTER_HANDLER(XLA_FFI_GetApi(), "Bcq" #NAME, "Host", k##NAME)
BCQ_REGISTER(Product);
BCQ_REGISTER(ProductTransposed);
BCQ_REGISTER(ProductScaleGradient);
BCQ_REGISTER(Gather);
BCQ_REGISTER(GatherScaleGradient);

}  // namespace
}  // namespace bcq
