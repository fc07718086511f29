/* The kernels of gradients. Included inside the namespace of a set, after numbers.inl. */

namespace gradients {

#include "core/product/signs.inl"
#include "core/gradients/scales.inl"

/* 16 * n + kLast columns. */
template <int kLast>
static void scatter_rows(const bcq_compositional* t, const int32_t* vectors, int64_t count,
                         int64_t first, int64_t last, int64_t columns, const float* dout,
                         float* sums, int64_t stride) {
  const int64_t whole = columns - kLast, indexes = index_stride(t), before = first * t->entries;
  for (int64_t i = 0; i < count; ++i, vectors += indexes, dout += t->columns) {
    for (int64_t m = first; m < last; ++m) {
      float* to = sums + (vectors[m] - before) * stride;
      for (int64_t c = 0; c < whole; c += kLanes) {
        store(to + c, load<f32x16>(to + c) + load<f32x16>(dout + c));
      }
      for (int64_t c = whole; c < whole + kLast; ++c) to[c] += dout[c];
    }
  }
}

static void scatter(const bcq_compositional* t, const int32_t* vectors, int64_t count,
                    int64_t first, int64_t last, int64_t columns, const float* dout, float* sums,
                    int64_t stride) {
  static constexpr decltype(&scatter) kScatter[kLanes] = {
      scatter_rows<0>,  scatter_rows<1>,  scatter_rows<2>,  scatter_rows<3>,
      scatter_rows<4>,  scatter_rows<5>,  scatter_rows<6>,  scatter_rows<7>,
      scatter_rows<8>,  scatter_rows<9>,  scatter_rows<10>, scatter_rows<11>,
      scatter_rows<12>, scatter_rows<13>, scatter_rows<14>, scatter_rows<15>};
  kScatter[columns % kLanes](t, vectors, count, first, last, columns, dout, sums, stride);
}

static constexpr GradientKernels kKernels = {scale_gradient, row_scale_gradient, scatter};

}  // namespace gradients

extern const GradientKernels kGradients = gradients::kKernels;
