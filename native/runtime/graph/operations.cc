#include "runtime/graph/operations.h"

namespace bcq::graph {

std::array<Operations, kOperationFiles> all_operations() {
  return {unary_operations(),   binary_operations(),      select_operations(),  shape_operations(),
          join_operations(),    slice_operations(),       gather_operations(),  fill_operations(),
          padding_operations(), reduction_operations(),   axis_operations(),    matmul_operations(),
          einsum_operations(),  convolution_operations(), pooling_operations(), image_operations(),
          list_operations(),    code_operations()};
}

const Operation* find_operation(std::string_view name) {
  for (const Operations& some : all_operations()) {
    for (size_t i = 0; i < some.count; ++i) {
      if (name == some.first[i].name) return &some.first[i];
    }
  }
  return nullptr;
}

}  // namespace bcq::graph
