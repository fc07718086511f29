/* The operations of each file of them. */
#ifndef BCQ_RUNTIME_GRAPH_OPERATIONS_H_
#define BCQ_RUNTIME_GRAPH_OPERATIONS_H_

#include <array>

#include "runtime/graph/operation.h"

namespace bcq::graph {

template <size_t kCount>
Operations all_of(const Operation (&operations)[kCount]) {
  return {operations, kCount};
}

Operations unary_operations();
Operations binary_operations();
Operations select_operations();
Operations shape_operations();
Operations join_operations();
Operations slice_operations();
Operations gather_operations();
Operations fill_operations();
Operations padding_operations();
Operations reduction_operations();
Operations axis_operations();
Operations matmul_operations();
Operations einsum_operations();
Operations convolution_operations();
Operations pooling_operations();
Operations image_operations();
Operations list_operations();
Operations code_operations();

constexpr size_t kOperationFiles = 18;
std::array<Operations, kOperationFiles> all_operations();

}  // namespace bcq::graph

#endif
