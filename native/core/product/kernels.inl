/* The product's kernels. Included inside the namespace of a set, after its table_sums.inl. */

namespace product {

#include "core/product/signs.inl"
#include "core/product/dequantize.inl"
#include "core/product/transposed.inl"
#include "core/product/reconstruct.inl"
#include "core/product/inputs.inl"
#include "core/product/outputs.inl"
#include "core/product/multiply.inl"
#include "core/product/tables.inl"

static constexpr ProductKernels kKernels = {
    {kLookUp<3>, kLookUp<1>}, arrange, transposed, reconstruct_row, columns_of_word};

}  // namespace product

extern const ProductKernels kProduct = product::kKernels;
