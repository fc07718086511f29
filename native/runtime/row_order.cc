#include "runtime/row_order.h"

#include <algorithm>

#include "runtime/failure.h"
#include "runtime/numbers.h"

namespace bcq::runtime {

namespace {

/* Of a field: 1 for 2 planes, 2 for 3 or 4, 3 for more. */
int width_of(int32_t planes) { return planes <= 2 ? 1 : planes <= 4 ? 2 : 3; }

/* Whether as many rows have more than i bits as plane i covers. */
bool fit(const Fields& less_one, const bcq_matrix& sizes) {
  int64_t counts[BCQ_MAX_BITS + 1] = {};
  for (int64_t row = 0; row < sizes.rows; ++row) ++counts[less_one[row]];
  int64_t more = 0;
  for (int i = BCQ_MAX_BITS - 1; i >= 0; --i) {
    more += counts[i];
    if (more != (i < sizes.bits ? sizes.plane_rows[i] : 0)) return false;
  }
  return true;
}

}  // namespace

void read_row_order(const Entry& entry, const Tensor& tensor, const bcq_matrix& sizes,
                    int32_t* order, int32_t* place) {
  if (!is_integer(tensor.dtype)) {
    entry.fail_rule("row_order", "be of integer dtype", name_of(tensor.dtype));
  }
  entry.check_shape("row_order", tensor, {sizes.rows});
  std::fill(place, place + sizes.rows, -1);
  for (int64_t stored = 0; stored < sizes.rows; ++stored) {
    const int64_t row = integer_at(tensor, stored);
    if (row < 0 || row >= sizes.rows || place[row] >= 0) {
      entry.fail(joined({"`row_order` must be a permutation of ", sizes.rows, " rows"}));
    }
    order[stored] = static_cast<int32_t>(row);
    place[row] = static_cast<int32_t>(stored);
  }
}

void read_row_bits(const Entry& entry, const Tensor& tensor, const bcq_matrix& sizes,
                   int32_t* order, int32_t* place) {
  const int width = width_of(sizes.bits);
  const Fields less_one{static_cast<const uint8_t*>(tensor.data), width};
  if (tensor.dtype != BCQ_U8) entry.fail_rule("row_bits", "be uint8", name_of(tensor.dtype));
  entry.check_shape("row_bits", tensor, {field_bytes(sizes.rows, width)});
  if (!padded_with_zeros(less_one.packed, 1, sizes.rows, width)) {
    entry.fail_rule("row_bits", "have padding bits of 0", "1");
  }
  if (!fit(less_one, sizes)) {
    entry.fail_rule(
        "row_bits",
        joined({"be those of planes of ", shown(sizes.plane_rows, sizes.bits), " rows"}), "others");
  }
  int64_t next[BCQ_MAX_BITS];  // stored row, by the number of bits less one
  for (int32_t i = 0; i < sizes.bits; ++i) {
    next[i] = i + 1 < sizes.bits ? sizes.plane_rows[i + 1] : 0;
  }
  for (int64_t row = 0; row < sizes.rows; ++row) {
    const int64_t stored = next[less_one[row]]++;
    order[stored] = static_cast<int32_t>(row);
    place[row] = static_cast<int32_t>(stored);
  }
}

}  // namespace bcq::runtime
