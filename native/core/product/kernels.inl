/* All of the product's inner functions for one instruction set; included inside its namespace. */

#include "dequantize.inl"
#include "gradients.inl"
#include "multiply.inl"
#include "tables.inl"

static constexpr Kernels kKernels = {
    {kTableBytes<3>, kTableBytes<1>}, prepare, multiply, arrange, transposed, scale_gradient,
    reconstruct_row, row_scale_gradient};
