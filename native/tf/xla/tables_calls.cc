/* What a program compiled by XLA calls on the CPU for embeddings. tables_compile.cc has checked the
 * shapes; the ids are checked here. */
#include <algorithm>
#include <vector>

#include "core/embedding/embedding.h"
#include "tf/table_ids.h"
#include "tf/xla/tables.h"
#include "tf/xla/threads.h"

namespace bcq {
namespace {

ffi::Error IdsError(bcq_status status, const bcq_tables& tables, int64_t bad, bcq_ids ids) {
  if (status != BCQ_BAD_ID) return ToError(status);
  const std::vector<int64_t> sizes(tables.sizes, tables.sizes + tables.count);
  return ffi::Error::InvalidArgument(BadTableId(sizes, bad, ids));
}

ffi::Error TablesGather(ffi::ThreadPool pool, Args args, Rets rets, Facts facts) {
  const bcq_tables tables = TablesOf(facts);
  const ffi::AnyBuffer table = Arg(args, 0), ids = Arg(args, 1);
  int64_t bad = 0;
  const bcq_status status =
      bcq_tables_gather(&tables, Type(table), table.untyped_data(), IdsOf(ids),
                        BatchOf(ids, tables), Ret(rets, 0).untyped_data(), &bad, XlaThreads(&pool));
  return IdsError(status, tables, bad, IdsOf(ids));
}

ffi::Error TablesGradient(ffi::ThreadPool pool, Args args, Rets rets, Facts facts) {
  const bcq_tables tables = TablesOf(facts);
  const ffi::AnyBuffer ids = Arg(args, 0), dout = Arg(args, 1);
  int64_t bad = 0;
  const bcq_status status =
      bcq_tables_gradient(&tables, Type(dout), IdsOf(ids), BatchOf(ids, tables),
                          dout.untyped_data(), Ret(rets, 0).untyped_data(), &bad,
                          XlaThreads(&pool));
  return IdsError(status, tables, bad, IdsOf(ids));
}

ffi::Error UniqueIds(Args args, Rets rets, Facts facts) {
  const bcq_ids ids = IdsOf(Arg(args, 0));
  const int64_t count = static_cast<int64_t>(Arg(args, 0).element_count()), one = 1;
  char* unique = static_cast<char*>(Ret(rets, 0).untyped_data());
  int64_t found = 0, bad = 0;
  const bcq_status status =
      bcq_unique_ids(ids, count, facts[0], unique,
                     static_cast<int32_t*>(Ret(rets, 1).untyped_data()), &found, &bad);
  const bcq_tables table = {1, facts.begin(), &one};
  if (status != BCQ_OK) return IdsError(status, table, bad, ids);
  for (int64_t i = found; i < count; ++i) std::copy_n(unique, ids.bytes, unique + i * ids.bytes);
  return ffi::Error::Success();
}

#define BCQ_REGISTER(NAME, CONTEXT)                                                       \
  XLA_FFI_DEFINE_HANDLER(                                                                 \
      k##NAME, NAME,                                                                      \
      CONTEXT.RemainingArgs().RemainingRets().Attr<Facts>("facts"));                      \
  XLA_FFI_REGISTER_HANDLER(XLA_FFI_GetApi(), "Bcq" #NAME, "Host", k##NAME)
BCQ_REGISTER(TablesGather, ffi::Ffi::Bind().Ctx<ffi::ThreadPool>());
BCQ_REGISTER(TablesGradient, ffi::Ffi::Bind().Ctx<ffi::ThreadPool>());
BCQ_REGISTER(UniqueIds, ffi::Ffi::Bind());
#undef BCQ_REGISTER

}  // namespace
}  // namespace bcq
