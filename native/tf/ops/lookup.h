/* Rows of tables of packed integers. bcq_tf/ops/uniform.py and compositional.py say what they stand
 * for. */
#ifndef BCQ_TF_OPS_LOOKUP_H_
#define BCQ_TF_OPS_LOOKUP_H_

#include <cstdint>

#include "core/gradients/gradients.h"
#include "core/lookup/lookup.h"
#include "tf/op.h"

namespace bcq {

struct LookupOp : OpDefaults {
  int64_t bits = 0;

 protected:
  static bool is_count(int64_t fields) { return fields >= 1 && fields <= BCQ_MOST_ELEMENTS; }

  absl::Status check_bits(int64_t most) const {
    if (bits >= 1 && bits <= most) return absl::OkStatus();
    return invalid("`bits` must be from 1 to ", most, ". Received: bits=", bits);
  }

  /* `packed` must be [rows, ceil(fields bits / 8)]. */
  absl::Status check_packed(const Shape& packed, int64_t fields) const {
    if (!is_count(fields)) {
      return invalid("A row must have one field or more. Received: ", fields);
    }
    const int64_t width = (fields * bits - 1) / 8 + 1;
    if (packed.rank() == 2 && packed.dims[1] == width) return absl::OkStatus();
    return invalid("`packed` must be [rows, ", width, "]. Received: ", packed.text());
  }
};

/* `zero_rows` is empty where no row is marked. */
struct UniformRows : LookupOp {
  static constexpr char kName[] = "BcqUniformRows";
  static constexpr char kSignature[] =
      "packed: uint8, half_step: float, zero_rows: uint8, ids: I -> rows: float";

  int64_t columns = 0;

  template <class Visit>
  void attributes(Visit& visit) {
    visit("I: {int32, int64}");
    visit("bits: int >= 1", bits);
    visit("columns: int >= 1", columns);
  }

  /* Of columns that no row has, check() tells. */
  absl::Status outputs(const Shapes& in, Shapes* out) const {
    *out = {append(in[3], is_count(columns) ? columns : kUnknown)};
    return absl::OkStatus();
  }

  absl::Status check(const Shapes& in) const {
    TF_RETURN_IF_ERROR(check_bits(8));
    TF_RETURN_IF_ERROR(check_packed(in[0], columns));
    TF_RETURN_IF_ERROR(check_shape("half_step", in[1], Shape{}));
    return check_shape("zero_rows", in[2], {{(in[0].dims[0] + 7) / 8}}, true);
  }

  absl::Status run(const Inputs& in, Outputs& out, const Cpu& cpu) const {
    const Input &packed = in[0], &ids = in[3];
    bcq_uniform table = {};
    table.rows = packed.dims[0];
    table.columns = columns;
    table.bits = static_cast<int32_t>(bits);
    table.half_step = *in[1].as<float>();
    table.packed = packed.as<uint8_t>();
    table.zero_rows = in[2].as<uint8_t>();
    int64_t bad = 0;
    const bcq_status status =
        bcq_uniform_rows(&table, ids_of(ids), ids.count, out[0].as<float>(), &bad, cpu.threads);
    return ids_status(status, {table.rows}, bad, ids);
  }
};

struct CompositionalOp : LookupOp {
 protected:
  absl::Status check_table(const Shape& packed, const Shape& codebooks) const {
    TF_RETURN_IF_ERROR(check_bits(16));
    const int64_t most = int64_t{1} << bits, entries = codebooks.dims[1];
    if (codebooks.elements() == 0 || entries > most || codebooks.dims[0] > INT32_MAX / entries) {
      return invalid("`codebooks` must be [M, K, D], not empty, with K at most ", most,
                     " and M K below 2^31. Received: ", codebooks.text());
    }
    return check_packed(packed, codebooks.dims[0]);
  }

  /* Without its codebooks, of the sizes `dims`. */
  bcq_compositional table(const Input& packed, const Dims& dims) const {
    bcq_compositional table = {};
    table.rows = packed.dims[0];
    table.count = dims[0];
    table.entries = dims[1];
    table.columns = dims[2];
    table.bits = static_cast<int32_t>(bits);
    table.packed = packed.as<uint8_t>();
    return table;
  }
};

struct CompositionalRows : CompositionalOp {
  static constexpr char kName[] = "BcqCompositionalRows";
  static constexpr char kSignature[] = "packed: uint8, codebooks: T, ids: I -> rows: float";

  template <class Visit>
  void attributes(Visit& visit) {
    visit("T: {float, half}");
    visit("I: {int32, int64}");
    visit("bits: int >= 1", bits);
  }

  absl::Status outputs(const Shapes& in, Shapes* out) const {
    const Shape& codebooks = in[1];
    if (codebooks.ranked && codebooks.rank() != 3) {
      return invalid("`codebooks` must be [M, K, D]. Received: ", codebooks.text());
    }
    *out = {append(in[2], codebooks.ranked ? codebooks.dims[2] : kUnknown)};
    return absl::OkStatus();
  }

  absl::Status check(const Shapes& in) const { return check_table(in[0], in[1]); }

  absl::Status run(const Inputs& in, Outputs& out, const Cpu& cpu) const {
    const Input &codebooks = in[1], &ids = in[2];
    bcq_compositional from = table(in[0], codebooks.dims);
    from.type = codebooks.type;
    from.codebooks = codebooks.data;
    int64_t bad = 0;
    const bcq_status status = bcq_compositional_rows(&from, ids_of(ids), ids.count,
                                                     out[0].as<float>(), &bad, cpu.threads);
    return ids_status(status, {from.rows}, bad, ids);
  }
};

struct CompositionalGradient : CompositionalOp {
  static constexpr char kName[] = "BcqCompositionalGradient";
  static constexpr char kSignature[] = "packed: uint8, ids: I, dout: float -> dcodebooks: float";

  int64_t count = 0, entries = 0;

  template <class Visit>
  void attributes(Visit& visit) {
    visit("I: {int32, int64}");
    visit("bits: int >= 1", bits);
    visit("count: int >= 1", count);
    visit("entries: int >= 1", entries);
  }

  absl::Status check_attributes() const {
    if (count >= 1 && entries >= 1) return check_size({{count, entries}});
    return invalid("`count` and `entries` must be positive. Received: ", count, " and ", entries);
  }

  absl::Status outputs(const Shapes& in, Shapes* out) const {
    const Shape& dout = in[2];
    if (dout.ranked && dout.rank() < 1) {
      return invalid("`dout` must be [..., columns]. Received: ", dout.text());
    }
    *out = {codebooks(dout)};
    return absl::OkStatus();
  }

  absl::Status check(const Shapes& in) const {
    const Shape expected = codebooks(in[2]);
    TF_RETURN_IF_ERROR(check_table(in[0], expected));
    return check_shape("dout", in[2], append(in[1], expected.dims[2]));
  }

  absl::Status run(const Inputs& in, Outputs& out, const Cpu& cpu) const {
    const Input &ids = in[1], &dout = in[2];
    const bcq_compositional from = table(in[0], out[0].dims);
    int64_t bad = 0;
    const bcq_status status = bcq_compositional_gradient(
        &from, ids_of(ids), ids.count, dout.as<float>(), out[0].as<float>(), &bad, cpu.threads);
    return ids_status(status, {from.rows}, bad, ids);
  }

 private:
  Shape codebooks(const Shape& dout) const {
    return {{count, entries, dout.ranked ? dout.dims.back() : kUnknown}};
  }
};

}  // namespace bcq

#endif
