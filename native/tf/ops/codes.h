/* What the ops on a matrix of binary codes share: its attributes, and its tensors, which end the
 * list of an op's inputs.
 *
 * Row numbers are uint32, since TensorFlow keeps int32 tensors of CUDA ops in host memory.
 * `offset`, `row_order` and `row_place` may be empty, of shape [0]. */
#ifndef BCQ_TF_OPS_CODES_H_
#define BCQ_TF_OPS_CODES_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/matrix.h"
#include "tf/op.h"

#define BCQ_CODES "tiles: uint32, scales: S, offset: S, row_order: uint32, row_place: uint32"

namespace bcq {

/* For a matrix that the core has refused with BCQ_BAD_ROWS. */
inline absl::Status bad_rows(const bcq_matrix& matrix) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < matrix.rows; ++i) {
    largest = std::max({largest, static_cast<uint32_t>(matrix.row_order[i]),
                        static_cast<uint32_t>(matrix.row_place[i])});
  }
  if (largest < matrix.rows) {
    return invalid(
        "`row_order` must have each row once, `row_place` be its inverse. Received: others");
  }
  return invalid("`row_order` must be from 0 to ", matrix.rows - 1, ". Received: ", largest);
}

inline absl::Status codes_status(bcq_status status, const bcq_matrix& matrix) {
  return status == BCQ_BAD_ROWS ? bad_rows(matrix) : core_status(status);
}

struct CodesOp : OpDefaults {
  int64_t rows = 0, columns = 0, group_size = 0;
  std::vector<int64_t> plane_rows;

  template <class Visit>
  void attributes(Visit& visit) {
    visit("T: {float, half, bfloat16}");
    visit("S: {float, half}");
    visit("rows: int >= 1", rows);
    visit("columns: int >= 1", columns);
    visit("group_size: int >= 1", group_size);
    visit("plane_rows: list(int) >= 1", plane_rows);
  }

  absl::Status check_attributes() const {
    const size_t planes = plane_rows.size();
    if (planes < 1 || planes > BCQ_MAX_BITS) {
      return invalid("`plane_rows` must have 1 to 8 planes. Received: ", planes);
    }
    if (group_size < 1 || (group_size % BCQ_WORD_BITS != 0 && group_size != columns)) {
      return invalid("`group_size` must be a multiple of 32 or `columns`. Received: ", group_size);
    }
    if (words() < 0 || rows > INT32_MAX) {
      return invalid(
          "`rows`, `columns` and `plane_rows` must be positive, `plane_rows` falling from `rows`, "
          "and their words fit in memory. Received: others");
    }
    return check_size(scales_shape());
  }

  /* The rules of tiles and scales, which outputs() checks, and of the others. */
  absl::Status check_planes(const Shapes& in) const {
    TF_RETURN_IF_ERROR(check_shape("tiles", of(in, kTiles), {{words()}}));
    return check_shape("scales", of(in, kScales), scales_shape());
  }

  absl::Status check(const Shapes& in) const {
    const Shape &order = of(in, kRowOrder), &place = of(in, kRowPlace);
    TF_RETURN_IF_ERROR(check_shape("offset", of(in, kOffset), {{groups(), rows}}, true));
    TF_RETURN_IF_ERROR(check_shape("row_order", order, {{rows}}, true));
    TF_RETURN_IF_ERROR(check_shape("row_place", place, {{rows}}, true));
    if (agree(order, place)) return absl::OkStatus();
    return invalid(
        "`row_order` and `row_place` must both be given or both be empty. Received: one");
  }

  /* The outputs of gradients with respect to the scales and the offset. */
  absl::Status gradients(const Shapes& in, Shapes* out) const {
    *out = {scales_shape(), of(in, kOffset)};
    return check_planes(in);
  }

  bcq_matrix matrix(const Inputs& in) const {
    bcq_matrix matrix = {};
    matrix.rows = rows;
    matrix.columns = columns;
    matrix.group_size = group_size;
    matrix.bits = bits();
    matrix.scale_type = of(in, kScales).type;
    matrix.plane_rows = plane_rows.data();
    matrix.tiles = of(in, kTiles).as<uint32_t>();
    matrix.scales = of(in, kScales).data;
    matrix.offset = of(in, kOffset).data;
    matrix.row_order = of(in, kRowOrder).as<int32_t>();
    matrix.row_place = of(in, kRowPlace).as<int32_t>();
    return matrix;
  }

 private:
  enum { kTiles, kScales, kOffset, kRowOrder, kRowPlace, kTensors };

  template <class Tensors>
  static const typename Tensors::value_type& of(const Tensors& in, int tensor) {
    return in[in.size() - kTensors + tensor];
  }

  int32_t bits() const { return static_cast<int32_t>(plane_rows.size()); }
  int64_t groups() const { return (columns - 1) / group_size + 1; }
  int64_t words() const { return bcq_tile_words(rows, columns, bits(), plane_rows.data()); }
  Shape scales_shape() const { return {{groups(), bits(), rows}}; }
};

}  // namespace bcq

#endif
