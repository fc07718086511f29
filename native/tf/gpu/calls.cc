/* What a program compiled by XLA calls on CUDA devices: the functions of native/cuda on the
 * program's stream. compile.cc has checked the shapes. */
#include "cuda/gather.h"
#include "cuda/product.h"
#include "tf/gpu/workspace.h"
#include "tf/xla/arguments.h"

namespace bcq {
namespace {

ffi::Error Product(void* stream, Scratch scratch, Args args, Rets rets, Facts facts) {
  const bcq_matrix matrix = MakeMatrix(args, facts);
  const auto precision = static_cast<bcq_precision>(facts[kFactPrecision]);
  const ffi::AnyBuffer x = Arg(args, 0);
  const int64_t batch = x.element_count() / matrix.columns;
  const int64_t bytes = bcq_cuda_product_workspace(&matrix, precision, batch);
  return WithWorkspace(scratch, bytes, [&](void* workspace) {
    return ToError(bcq_cuda_product(&matrix, precision, Type(x), x.untyped_data(), batch,
                                    Ret(rets, 0).untyped_data(), workspace, stream));
  });
}

ffi::Error ProductTransposed(void* stream, Scratch, Args args, Rets rets, Facts facts) {
  const bcq_matrix matrix = MakeMatrix(args, facts);
  const ffi::AnyBuffer dy = Arg(args, 0);
  return ToError(bcq_cuda_product_transposed(&matrix, Type(dy), dy.untyped_data(),
                                             dy.element_count() / matrix.rows,
                                             Ret(rets, 0).untyped_data(), stream));
}

ffi::Error ProductScaleGradient(void* stream, Scratch scratch, Args args, Rets rets, Facts facts) {
  const bcq_matrix matrix = MakeMatrix(args, facts);
  const ffi::AnyBuffer x = Arg(args, 0);
  const int64_t bytes = bcq_cuda_product_scale_gradient_workspace(&matrix);
  return WithWorkspace(scratch, bytes, [&](void* workspace) {
    return ToError(bcq_cuda_product_scale_gradient(
        &matrix, Type(x), x.untyped_data(), Arg(args, 1).untyped_data(),
        x.element_count() / matrix.columns, ScalesGradient(rets), OffsetGradient(matrix, rets),
        workspace, stream));
  });
}

/* Runs call(bad), which returns a bcq_status, and waits for what it finds. */
template <typename Call>
ffi::Error WithIds(void* stream, Scratch& scratch, const bcq_matrix& matrix, const int64_t* ids,
                   Call call) {
  return WithWorkspace(scratch, sizeof(int64_t), [&](void* workspace) {
    auto* bad = static_cast<int64_t*>(workspace);
    int64_t index = 0, id = 0;
    bcq_status status = call(bad);
    if (status == BCQ_OK) status = bcq_cuda_check_ids(ids, bad, &index, &id, stream);
    return status == BCQ_BAD_ID ? BadId(matrix, index, id) : ToError(status);
  });
}

ffi::Error Gather(void* stream, Scratch scratch, Args args, Rets rets, Facts facts) {
  const bcq_matrix matrix = MakeMatrix(args, facts);
  const int64_t* ids = Ids(Arg(args, 0));
  const ffi::AnyBuffer rows = Ret(rets, 0);
  return WithIds(stream, scratch, matrix, ids, [&](int64_t* bad) {
    return bcq_cuda_gather(&matrix, ids, Arg(args, 0).element_count(), Type(rows),
                           rows.untyped_data(), bad, stream);
  });
}

ffi::Error GatherScaleGradient(void* stream, Scratch scratch, Args args, Rets rets, Facts facts) {
  const bcq_matrix matrix = MakeMatrix(args, facts);
  const int64_t* ids = Ids(Arg(args, 0));
  const ffi::AnyBuffer dout = Arg(args, 1);
  return WithIds(stream, scratch, matrix, ids, [&](int64_t* bad) {
    return bcq_cuda_gather_scale_gradient(&matrix, ids, Arg(args, 0).element_count(), Type(dout),
                                          dout.untyped_data(), ScalesGradient(rets),
                                          OffsetGradient(matrix, rets), bad, stream);
  });
}

BCQ_REGISTER_CUDA(Product);
BCQ_REGISTER_CUDA(ProductTransposed);
BCQ_REGISTER_CUDA(ProductScaleGradient);
BCQ_REGISTER_CUDA(Gather);
BCQ_REGISTER_CUDA(GatherScaleGradient);

}  // namespace
}  // namespace bcq
