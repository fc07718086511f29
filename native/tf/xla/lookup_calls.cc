/* What a program compiled by XLA calls on the CPU for rows of packed integers. lookup_compile.cc has
 * checked the shapes; the ids are checked here. */
#include "core/lookup/lookup.h"
#include "tf/table_ids.h"
#include "tf/xla/tables.h"
#include "tf/xla/threads.h"

namespace bcq {
namespace {

const uint8_t* Bytes(const ffi::AnyBuffer& buffer) {
  return static_cast<const uint8_t*>(buffer.untyped_data());
}

const float* Floats(const ffi::AnyBuffer& buffer) {
  return static_cast<const float*>(buffer.untyped_data());
}

float* Result(const Rets& rets) { return static_cast<float*>(Ret(rets, 0).untyped_data()); }

int64_t Count(const ffi::AnyBuffer& ids) { return static_cast<int64_t>(ids.element_count()); }

ffi::Error IdsError(bcq_status status, int64_t rows, int64_t bad, bcq_ids ids) {
  if (status != BCQ_BAD_ID) return ToError(status);
  return ffi::Error::InvalidArgument(BadTableId({rows}, bad, ids));
}

ffi::Error UniformRows(ffi::ThreadPool pool, Args args, Rets rets, Facts facts) {
  const ffi::AnyBuffer packed = Arg(args, 0), zero_rows = Arg(args, 2), ids = Arg(args, 3);
  bcq_uniform table = {};
  table.rows = packed.dimensions()[0];
  table.bits = static_cast<int32_t>(facts[0]);
  table.columns = facts[1];
  table.half_step = *Floats(Arg(args, 1));
  table.packed = Bytes(packed);
  table.zero_rows = zero_rows.element_count() == 0 ? nullptr : Bytes(zero_rows);
  int64_t bad = 0;
  const bcq_status status = bcq_uniform_rows(&table, IdsOf(ids), Count(ids), Result(rets), &bad,
                                             XlaThreads(&pool));
  return IdsError(status, table.rows, bad, IdsOf(ids));
}

bcq_compositional Table(const ffi::AnyBuffer& packed, const ffi::AnyBuffer& codebooks,
                        Facts facts) {
  bcq_compositional table = {};
  table.rows = packed.dimensions()[0];
  table.count = codebooks.dimensions()[0];
  table.entries = codebooks.dimensions()[1];
  table.columns = codebooks.dimensions()[2];
  table.bits = static_cast<int32_t>(facts[0]);
  table.type = Type(codebooks);
  table.packed = Bytes(packed);
  table.codebooks = codebooks.untyped_data();
  return table;
}

ffi::Error CompositionalRows(ffi::ThreadPool pool, Args args, Rets rets, Facts facts) {
  const bcq_compositional table = Table(Arg(args, 0), Arg(args, 1), facts);
  const ffi::AnyBuffer ids = Arg(args, 2);
  int64_t bad = 0;
  const bcq_status status = bcq_compositional_rows(&table, IdsOf(ids), Count(ids), Result(rets),
                                                   &bad, XlaThreads(&pool));
  return IdsError(status, table.rows, bad, IdsOf(ids));
}

ffi::Error CompositionalGradient(ffi::ThreadPool pool, Args args, Rets rets, Facts facts) {
  const bcq_compositional table = Table(Arg(args, 0), Ret(rets, 0), facts);
  const ffi::AnyBuffer ids = Arg(args, 1);
  int64_t bad = 0;
  const bcq_status status =
      bcq_compositional_gradient(&table, IdsOf(ids), Count(ids), Floats(Arg(args, 2)),
                                 Result(rets), &bad, XlaThreads(&pool));
  return IdsError(status, table.rows, bad, IdsOf(ids));
}

#define BCQ_REGISTER(NAME)                                                                       \
  XLA_FFI_DEFINE_HANDLER(                                                                        \
      k##NAME, NAME,                                                                             \
      ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().RemainingArgs().RemainingRets().Attr<Facts>(       \
          "facts"));                                                                             \
  XLA_FFI_REGISTER_HANDLER(XLA_FFI_GetApi(), "Bcq" #NAME, "Host", k##NAME)
BCQ_REGISTER(UniformRows);
BCQ_REGISTER(CompositionalRows);
BCQ_REGISTER(CompositionalGradient);
#undef BCQ_REGISTER

}  // namespace
}  // namespace bcq
