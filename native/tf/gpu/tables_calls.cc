/* What a program compiled by XLA calls on CUDA devices for embeddings: the functions of native/cuda
 * on the program's stream. tables_compile.cc has checked the shapes. */
#include "cuda/embedding.h"
#include "tf/gpu/workspace.h"
#include "tf/xla/tables.h"

namespace bcq {
namespace {

ffi::Error TablesGather(void* stream, Scratch, Args args, Rets rets, Facts facts) {
  const bcq_tables tables = TablesOf(facts);
  const ffi::AnyBuffer table = Arg(args, 0), ids = Arg(args, 1);
  return ToError(bcq_cuda_tables_gather(&tables, Type(table), table.untyped_data(), IdsOf(ids),
                                        BatchOf(ids, tables), Ret(rets, 0).untyped_data(),
                                        stream));
}

ffi::Error TablesGradient(void* stream, Scratch scratch, Args args, Rets rets, Facts facts) {
  const bcq_tables tables = TablesOf(facts);
  const ffi::AnyBuffer ids = Arg(args, 0), dout = Arg(args, 1);
  const int64_t batch = BatchOf(ids, tables);
  const bool ordered = IsDeterministic(facts);
  const int64_t bytes = bcq_cuda_tables_gradient_workspace(&tables, Type(dout), batch, ordered);
  return WithWorkspace(scratch, bytes, [&](void* workspace) {
    return ToError(bcq_cuda_tables_gradient(&tables, Type(dout), IdsOf(ids), batch,
                                            dout.untyped_data(), Ret(rets, 0).untyped_data(),
                                            ordered, workspace, stream));
  });
}

BCQ_REGISTER_CUDA(TablesGather);
BCQ_REGISTER_CUDA(TablesGradient);

}  // namespace
}  // namespace bcq
