/* What a program compiled by XLA calls on the CPU: the core's functions, on XLA's own threads.
 * compile.cc has checked the shapes; the contents of the tensors are checked here. */
#include "core/gather/gather.h"
#include "core/product/product.h"
#include "tf/xla/arguments.h"
#include "tf/xla/threads.h"

namespace bcq {
namespace {

ffi::Error IdsError(const bcq_matrix& matrix, bcq_status status, const int64_t* ids, int64_t bad) {
  return status == BCQ_BAD_ID ? BadId(matrix, bad, ids[bad]) : ToError(status, matrix);
}

ffi::Error Product(ffi::ThreadPool pool, Args args, Rets rets, Facts facts) {
  const bcq_matrix matrix = MakeMatrix(args, facts);
  const auto precision = static_cast<bcq_precision>(facts[kFactPrecision]);
  const ffi::AnyBuffer x = Arg(args, 0);
  return ToError(
      bcq_product(&matrix, precision, Type(x), x.untyped_data(),
                  x.element_count() / matrix.columns, Ret(rets, 0).untyped_data(),
                  XlaThreads(&pool)),
      matrix);
}

ffi::Error ProductTransposed(ffi::ThreadPool pool, Args args, Rets rets, Facts facts) {
  const bcq_matrix matrix = MakeMatrix(args, facts);
  const ffi::AnyBuffer dy = Arg(args, 0);
  return ToError(
      bcq_product_transposed(&matrix, Type(dy), dy.untyped_data(),
                             dy.element_count() / matrix.rows, Ret(rets, 0).untyped_data(),
                             XlaThreads(&pool)),
      matrix);
}

ffi::Error ProductScaleGradient(ffi::ThreadPool pool, Args args, Rets rets, Facts facts) {
  const bcq_matrix matrix = MakeMatrix(args, facts);
  const ffi::AnyBuffer x = Arg(args, 0);
  return ToError(
      bcq_product_scale_gradient(&matrix, Type(x), x.untyped_data(), Arg(args, 1).untyped_data(),
                                 x.element_count() / matrix.columns, ScalesGradient(rets),
                                 OffsetGradient(matrix, rets), XlaThreads(&pool)),
      matrix);
}

ffi::Error Gather(ffi::ThreadPool pool, Args args, Rets rets, Facts facts) {
  const bcq_matrix matrix = MakeMatrix(args, facts);
  const int64_t* ids = Ids(Arg(args, 0));
  const ffi::AnyBuffer rows = Ret(rets, 0);
  int64_t bad = 0;
  const bcq_status status = bcq_gather(&matrix, ids, Arg(args, 0).element_count(), Type(rows),
                                       rows.untyped_data(), &bad, XlaThreads(&pool));
  return IdsError(matrix, status, ids, bad);
}

ffi::Error GatherScaleGradient(ffi::ThreadPool pool, Args args, Rets rets, Facts facts) {
  const bcq_matrix matrix = MakeMatrix(args, facts);
  const int64_t* ids = Ids(Arg(args, 0));
  const ffi::AnyBuffer dout = Arg(args, 1);
  int64_t bad = 0;
  const bcq_status status = bcq_gather_scale_gradient(
      &matrix, ids, Arg(args, 0).element_count(), Type(dout), dout.untyped_data(),
      ScalesGradient(rets), OffsetGradient(matrix, rets), &bad, XlaThreads(&pool));
  return IdsError(matrix, status, ids, bad);
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
#undef BCQ_REGISTER

}  // namespace
}  // namespace bcq
