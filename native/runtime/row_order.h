/* Which row of the matrix each stored row of codes is, as files have it. */
#ifndef BCQ_RUNTIME_ROW_ORDER_H_
#define BCQ_RUNTIME_ROW_ORDER_H_

#include "runtime/entry.h"

namespace bcq::runtime {

/* Fills order [rows] and place [rows], the inverse. Throws Failure unless the tensor holds a
 * permutation of the rows of `sizes`. */
void read_row_order(const Entry& entry, const Tensor& tensor, const bcq_matrix& sizes,
                    int32_t* order, int32_t* place);

/* The same from the number of bits of each row, packed. */
void read_row_bits(const Entry& entry, const Tensor& tensor, const bcq_matrix& sizes,
                   int32_t* order, int32_t* place);

}  // namespace bcq::runtime

#endif
