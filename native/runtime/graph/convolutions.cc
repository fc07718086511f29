/* Convolutions, channels last: of patches of the array by products of matrices. */
#include <algorithm>
#include <cstring>

#include "runtime/graph/gemm.h"
#include "runtime/graph/integers.h"
#include "runtime/graph/operations.h"
#include "runtime/graph/types.h"
#include "runtime/graph/windows.h"

namespace bcq::graph {

namespace {

constexpr int64_t kPatchNumbers = 1 << 20; /* of those that are there at a time, roughly */

/* x [B, ..., C] and a kernel [..., N, M], float32. */
void check(const Array& x, const Array& kernel) {
  check_numbers(x);
  check_numbers(kernel);
  check_same(x, kernel);
  if (x.dtype != BCQ_F32) fail_dtype(x.dtype);
  if (kernel.rank() < 3 || kernel.rank() != x.rank()) {
    fail("a kernel ", kernel.shape, " does not go with ", x.shape);
  }
}

Windows windows_of(const Node& node, const Shape& x, const Array& kernel) {
  return Windows(x, 1, kernel.shape.part(0, kernel.rank() - 2), node[0].list, &node[1].list,
                 static_cast<Padding>(node[2].integer), &node[3].list);
}

/* What the windows show of some channels. */
struct Patches {
  const Windows& windows;
  const float* x;
  int64_t all_channels, first_channel, channels;

  int64_t columns() const { return windows.size_in_all() * channels; }

  /* Windows from begin to end - 1 of the whole batch. */
  void write(int64_t begin, int64_t end, float* to) const {
    const int64_t places = windows.places_in_all();
    const int64_t image = windows.length_in_all() * all_channels;
    const auto bytes = static_cast<size_t>(channels) * sizeof(float);
    for (int64_t i = begin; i < end; ++i) {
      const float* const from = x + i / places * image + first_channel;
      windows.each(i % places, [&](int64_t, int64_t number) {
        if (number < 0) {
          std::memset(to, 0, bytes);
        } else {
          std::memcpy(to, from + number * all_channels, bytes);
        }
        to += channels;
      });
    }
  }
};

/* Patches times a kernel [columns, n] whose rows are `stride` apart, as those of out are. */
void multiply_patches(Context& context, const Patches& patches, int64_t rows, const float* kernel,
                      int64_t n, int64_t stride, float* out) {
  const int64_t columns = patches.columns();
  const int64_t most = std::min(std::max<int64_t>(kPatchNumbers / columns, 64), rows);
  Scratch<float> some(context, most * columns);
  for (int64_t begin = 0; begin < rows; begin += most) {
    const int64_t end = std::min(rows, begin + most);
    bcq::run(context.parallel, end - begin, 0.5 * static_cast<double>(columns),
             [&](int64_t first, int64_t last) {
               patches.write(begin + first, begin + last, some.data() + first * columns);
             });
    multiply(context, end - begin, columns, n, {some.data(), columns, 1}, {kernel, stride, 1},
             out + begin * stride, stride);
  }
}

void convolve(Context& context, const Node& node, Array* in, Array* out) {
  check(in[0], in[1]);
  const Array &x = in[0], &kernel = in[1];
  const Windows windows = windows_of(node, x.shape, kernel);
  const int64_t channels = x.shape.last(), taken = kernel.shape[kernel.rank() - 2];
  const int64_t given = kernel.shape.last();
  if (taken == 0 || channels % taken != 0 || channels == 0 || given % (channels / taken) != 0) {
    fail(kernel.shape, " does not take the channels of ", x.shape);
  }
  *out = context.make(BCQ_F32, windows.result(x.shape[0], given));
  if (out->count == 0) return;
  const int64_t groups = channels / taken, each = given / groups;
  for (int64_t group = 0; group < groups; ++group) {
    const Patches patches = {windows, x.numbers<float>(), channels, group * taken, taken};
    multiply_patches(context, patches, out->count / given, kernel.numbers<float>() + group * each,
                     each, given, out->numbers<float>() + group * each);
  }
}

/* out [C, M] += x [C] * kernel [C, M] */
void add_products(const float* x, const float* kernel, int64_t channels, int64_t times,
                  float* out) {
  if (times == 1) {
    for (int64_t c = 0; c < channels; ++c) out[c] += x[c] * kernel[c];
    return;
  }
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t m = 0; m < times; ++m) out[c * times + m] += x[c] * kernel[c * times + m];
  }
}

void convolve_depthwise(Context& context, const Node& node, Array* in, Array* out) {
  check(in[0], in[1]);
  const Array &x = in[0], &kernel = in[1];
  const Windows windows = windows_of(node, x.shape, kernel);
  const int64_t channels = x.shape.last(), times = kernel.shape.last();
  if (kernel.shape[kernel.rank() - 2] != channels) {
    fail(kernel.shape, " does not take the channels of ", x.shape);
  }
  int64_t given;
  if (__builtin_mul_overflow(channels, times, &given)) fail("it is too large");
  *out = context.zeros(BCQ_F32, windows.result(x.shape[0], given));
  if (out->count == 0) return;
  const int64_t places = windows.places_in_all(), size = windows.size_in_all();
  context.charge(out->count, size);
  const auto part = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float* const image =
          x.numbers<float>() + i / places * windows.length_in_all() * channels;
      float* const to = out->numbers<float>() + i * given;
      windows.each(i % places, [&](int64_t at, int64_t number) {
        if (number < 0) return;
        const float* const factors = kernel.numbers<float>() + at * given;
        add_products(image + number * channels, factors, channels, times, to);
      });
    }
  };
  bcq::run(context.parallel, out->count / given, static_cast<double>(size * given), part);
}

/* The lengths of what `convolve` would take: [batch, axes, channels] of inputs. */
Shape lengths_of(const Array& lengths, const Array& x, int64_t channels) {
  const Few given(lengths);
  if (given.count != x.rank()) fail("the lengths are not those of an array like ", x.shape);
  Shape shape = {x.shape[0]};
  for (int i = 1; i + 1 < given.count; ++i) shape.add(given[i]);
  shape.add(channels);
  checked_count(shape);
  return shape;
}

void convolve_transposed(Context& context, const Node& node, Array* in, Array* out) {
  check(in[2], in[1]);
  const Array &x = in[2], &kernel = in[1];
  const int64_t taken = kernel.shape.last(), given = kernel.shape[kernel.rank() - 2];
  const Shape shape = lengths_of(in[0], x, given);
  const Windows windows = windows_of(node, shape, kernel);
  if (windows.result(x.shape[0], taken) != x.shape) {
    fail("a convolution of ", shape, " does not give ", x.shape);
  }
  *out = context.zeros(BCQ_F32, shape);
  if (out->count == 0 || x.count == 0) return;
  const int64_t rows = x.count / taken, places = windows.places_in_all();
  const int64_t columns = windows.size_in_all() * given; /* what one number of x gives */
  const int64_t most = std::min(std::max<int64_t>(kPatchNumbers / columns, 64), rows);
  Scratch<float> part(context, most * columns);
  for (int64_t begin = 0; begin < rows; begin += most) {
    const int64_t end = std::min(rows, begin + most);
    multiply(context, end - begin, taken, columns, {x.numbers<float>() + begin * taken, taken, 1},
             {kernel.numbers<float>(), 1, taken}, part.data(), columns);
    for (int64_t i = begin; i < end; ++i) {
      float* const image = out->numbers<float>() + i / places * windows.length_in_all() * given;
      const float* const parts = part.data() + (i - begin) * columns;
      windows.each(i % places, [&](int64_t at, int64_t number) {
        for (int64_t c = 0; c < given && number >= 0; ++c) {
          image[number * given + c] += parts[at * given + c];
        }
      });
    }
  }
}

constexpr AttributeRule kAttributes[] = {{"strides", AttributeType::kList},
                                         {"dilations", AttributeType::kList},
                                         {"padding", AttributeType::kPadding},
                                         {"explicit", AttributeType::kList, true}};

constexpr Operation kOperations[] = {
    {"convolve", 2, 2, convolve, kAttributes},
    {"convolve_depthwise", 2, 2, convolve_depthwise, kAttributes},
    {"convolve_transposed", 3, 3, convolve_transposed, kAttributes},
};

}  // namespace

Operations convolution_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
