/* What an op knows of its matrix of codes when it is made, and the checks of the tensors that it
 * then gets. Shared by the shape functions and the kernels for the CPU, for CUDA and for XLA. */
#ifndef BCQ_TF_FACTS_H_
#define BCQ_TF_FACTS_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/matrix.h"
#include "core/product/product.h"
#include "core/tile.h"
#include "tf/row_numbers.h"
#include "tf/sizes.h"

namespace bcq {

/* The tensors of the codes, in the order in which they end the list of an op's inputs. */
enum { kTiles, kScales, kOffset, kRowOrder, kRowPlace, kCodesInputs };
using CodesShapes = std::array<TensorShape, kCodesInputs>;

struct Facts {
  int64_t rows, columns, group_size, groups, words;
  std::vector<int64_t> plane_rows;

  int32_t bits() const { return static_cast<int32_t>(plane_rows.size()); }
  TensorShape ScalesShape() const { return TensorShape({groups, bits(), rows}); }
  TensorShape OffsetShape() const { return TensorShape({groups, rows}); }
};

/* Context: of the op's kernel or of its shape function. */
template <class Context>
absl::Status ReadFacts(Context* c, Facts* facts) {
  TF_RETURN_IF_ERROR(c->GetAttr("rows", &facts->rows));
  TF_RETURN_IF_ERROR(c->GetAttr("columns", &facts->columns));
  TF_RETURN_IF_ERROR(c->GetAttr("group_size", &facts->group_size));
  TF_RETURN_IF_ERROR(c->GetAttr("plane_rows", &facts->plane_rows));
  const size_t planes = facts->plane_rows.size();
  if (planes < 1 || planes > BCQ_MAX_BITS) {
    return absl::InvalidArgumentError(
        absl::StrCat("`plane_rows` must have 1 to 8 planes. Received: ", planes));
  }
  if (facts->group_size < 1 ||
      (facts->group_size % BCQ_WORD_BITS != 0 && facts->group_size != facts->columns)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "`group_size` must be a multiple of 32 or `columns`. Received: ", facts->group_size));
  }
  facts->words =
      bcq_tile_words(facts->rows, facts->columns, facts->bits(), facts->plane_rows.data());
  if (facts->words < 0 || facts->rows > INT32_MAX) {
    return absl::InvalidArgumentError(
        "`rows`, `columns` and `plane_rows` must be positive, `plane_rows` falling from `rows`, and "
        "their words fit in memory. Received: others");
  }
  facts->groups = (facts->columns - 1) / facts->group_size + 1;
  return CheckSize({facts->groups, facts->bits(), facts->rows});
}

inline absl::Status CheckShape(const char* name, const TensorShape& shape,
                               const TensorShape& expected, bool may_be_empty) {
  if (shape == expected || (may_be_empty && shape == TensorShape({0}))) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("`", name, "` must be ", expected.DebugString(),
                                                 may_be_empty ? " or [0]" : "",
                                                 ". Received: ", shape.DebugString()));
}

inline absl::Status CheckCodes(const Facts& facts, const CodesShapes& shapes) {
  const TensorShape rows({facts.rows});
  TF_RETURN_IF_ERROR(CheckShape("tiles", shapes[kTiles], TensorShape({facts.words}), false));
  TF_RETURN_IF_ERROR(CheckShape("scales", shapes[kScales], facts.ScalesShape(), false));
  TF_RETURN_IF_ERROR(CheckShape("offset", shapes[kOffset], facts.OffsetShape(), true));
  TF_RETURN_IF_ERROR(CheckShape("row_order", shapes[kRowOrder], rows, true));
  TF_RETURN_IF_ERROR(CheckShape("row_place", shapes[kRowPlace], rows, true));
  if (shapes[kRowOrder] != shapes[kRowPlace]) {
    return absl::InvalidArgumentError(
        "`row_order` and `row_place` must both be given or both be empty. Received: one");
  }
  return absl::OkStatus();
}

/* `shape` must be [..., last]; the result is that with `other` in its place. */
inline absl::Status ReplaceLast(const char* name, const TensorShape& shape, int64_t last,
                                int64_t other, TensorShape* result) {
  if (shape.dims() < 1 || shape.dim_size(shape.dims() - 1) != last) {
    return absl::InvalidArgumentError(absl::StrCat("`", name, "` must be [..., ", last,
                                                   "]. Received: ", shape.DebugString()));
  }
  auto dims = shape.dim_sizes();
  dims.back() = other;
  return MakeShape(dims, result);
}

/* Two inputs must have the same shape up to the last axis, which is [columns] and [rows]. */
inline absl::Status CheckPair(const Facts& facts, const TensorShape& x, const TensorShape& dy) {
  TensorShape expected;
  TF_RETURN_IF_ERROR(ReplaceLast("x", x, facts.columns, facts.rows, &expected));
  return CheckShape("dy", dy, expected, false);
}

/* `dout` must be [shape of ids..., columns]. */
inline absl::Status CheckGathered(const Facts& facts, const TensorShape& ids,
                                  const TensorShape& dout) {
  TensorShape expected;
  TF_RETURN_IF_ERROR(Append(ids, facts.columns, &expected));
  return CheckShape("dout", dout, expected, false);
}

/* The matrix of tensors whose shapes have been checked; what is empty is NULL. */
inline bcq_matrix MakeMatrix(const Facts& facts, bcq_type scale_type,
                             const std::array<const void*, kCodesInputs>& data) {
  bcq_matrix matrix = {};
  matrix.rows = facts.rows;
  matrix.columns = facts.columns;
  matrix.group_size = facts.group_size;
  matrix.bits = facts.bits();
  matrix.scale_type = scale_type;
  matrix.plane_rows = facts.plane_rows.data();
  matrix.tiles = static_cast<const uint32_t*>(data[kTiles]);
  matrix.scales = data[kScales];
  matrix.offset = data[kOffset];
  matrix.row_order = static_cast<const int32_t*>(data[kRowOrder]);
  matrix.row_place = static_cast<const int32_t*>(data[kRowPlace]);
  return matrix;
}

template <class Context>
absl::Status ReadPrecision(Context* c, bcq_precision* precision) {
  std::string name;
  TF_RETURN_IF_ERROR(c->GetAttr("precision", &name));
  *precision = name == "fast" ? BCQ_FAST : BCQ_EXACT;
  return absl::OkStatus();
}

inline absl::Status ToStatus(bcq_status status) {
  switch (status) {
    case BCQ_OK:
      return absl::OkStatus();
    case BCQ_NO_MEMORY:
      return absl::ResourceExhaustedError("bcq_tf: out of memory");
    case BCQ_NO_DEVICE:
      return absl::InternalError("bcq_tf: the CUDA driver reports an error");
    default:
      return absl::InvalidArgumentError("bcq_tf: the codes break a rule of the compiled core");
  }
}

inline absl::Status ToStatus(bcq_status status, const bcq_matrix& matrix) {
  if (status == BCQ_BAD_ROWS) return absl::InvalidArgumentError(BadRows(matrix));
  return ToStatus(status);
}

inline absl::Status BadId(int64_t rows, int64_t index, int64_t id) {
  return absl::InvalidArgumentError(absl::StrCat("`ids` must be from 0 to ", rows - 1,
                                                 ". Received: ids[", index, "]=", id));
}

}  // namespace bcq

#endif
