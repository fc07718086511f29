/* What is said of `row_order` and `row_place` that are not each other's inverse. */
#ifndef BCQ_TF_ROW_NUMBERS_H_
#define BCQ_TF_ROW_NUMBERS_H_

#include <algorithm>
#include <cstdint>
#include <string>

#include "core/matrix.h"

namespace bcq {

inline int64_t Largest(const int32_t* numbers, int64_t count) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, static_cast<uint32_t>(numbers[i]));
  return largest;
}

/* For a matrix that the core has refused with BCQ_BAD_ROWS. */
inline std::string BadRows(const bcq_matrix& matrix) {
  const int64_t largest =
      std::max(Largest(matrix.row_order, matrix.rows), Largest(matrix.row_place, matrix.rows));
  if (largest < matrix.rows) {
    return "`row_order` must have each row once, `row_place` be its inverse. Received: others";
  }
  return "`row_order` must be from 0 to " + std::to_string(matrix.rows - 1) +
         ". Received: " + std::to_string(largest);
}

}  // namespace bcq

#endif
