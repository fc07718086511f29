#include "rows.h"

namespace bcq {
namespace portable {
#include "../product/lanes.inl"

#include "rows.inl"
}  // namespace portable

const RowKernels kPortableRows = portable::kRows;

}  // namespace bcq
