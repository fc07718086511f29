/* The core reads and writes where `row_order` and `row_place` say: a number that is no row must not
 * reach it. */
#ifndef BCQ_TF_ROW_NUMBERS_H_
#define BCQ_TF_ROW_NUMBERS_H_

#include <algorithm>
#include <cstdint>

#include "core/matrix.h"

namespace bcq {

inline int64_t Largest(const int32_t* numbers, int64_t count) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, static_cast<uint32_t>(numbers[i]));
  return largest;
}

/* The largest number of the two, if it is no row; -1 where all are rows. */
inline int64_t BadRowNumber(const bcq_matrix& matrix) {
  if (matrix.row_order == nullptr) return -1;
  const int64_t largest =
      std::max(Largest(matrix.row_order, matrix.rows), Largest(matrix.row_place, matrix.rows));
  return largest < matrix.rows ? -1 : largest;
}

}  // namespace bcq

#endif
