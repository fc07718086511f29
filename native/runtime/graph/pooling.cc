/* The largest or the mean number of each window, channels last. */
#include <algorithm>
#include <limits>

#include "runtime/graph/numbers_of.h"
#include "runtime/graph/operations.h"
#include "runtime/graph/types.h"
#include "runtime/graph/windows.h"

namespace bcq::graph {

namespace {

Windows windows_of(const Node& node, const Array& x) {
  check_numbers(x);
  Shape sizes;
  for (const int64_t size : node[0].list) sizes.add(size);
  if (x.rank() != sizes.rank + 2) fail(x.shape, " does not go with ", sizes);
  return Windows(x.shape, 1, sizes, node[1].list, nullptr, static_cast<Padding>(node[2].integer),
                 nullptr);
}

/* Calls window(numbers of the result, visit), where visit(add) calls add(numbers of x) for all of
 * the window that is in the array. */
template <class T, class Window>
void each_window(Context& context, const Windows& windows, const Array& x, Array* out,
                 const Window& window) {
  const int64_t channels = x.shape.last(), places = windows.places_in_all();
  const int64_t size = windows.size_in_all();
  context.charge(out->count, size);
  const auto part = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T* const image = x.numbers<T>() + i / places * windows.length_in_all() * channels;
      window(out->numbers<T>() + i * channels, [&](const auto& add) {
        windows.each(i % places, [&](int64_t, int64_t number) {
          if (number >= 0) add(image + number * channels);
        });
      });
    }
  };
  bcq::run(context.parallel, out->count / channels, static_cast<double>(size * channels), part);
}

void max_pool(Context& context, const Node& node, Array* in, Array* out) {
  const Windows windows = windows_of(node, in[0]);
  const int64_t channels = in[0].shape.last();
  *out = context.make(in[0].dtype, windows.result(in[0].shape[0], channels));
  if (out->count == 0) return;
  visit(Numbers(), in[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    using Limits = std::numeric_limits<T>;
    each_window<T>(context, windows, in[0], out, [&](T* y, const auto& all) {
      std::fill_n(y, channels, kIsFloat<T> ? -Limits::infinity() : Limits::lowest());
      all([&](const T* x) {
        for (int64_t c = 0; c < channels; ++c) y[c] = larger(y[c], x[c]);
      });
    });
  });
}

void average_pool(Context& context, const Node& node, Array* in, Array* out) {
  const Windows windows = windows_of(node, in[0]);
  const int64_t channels = in[0].shape.last();
  *out = context.make(in[0].dtype, windows.result(in[0].shape[0], channels));
  if (out->count == 0) return;
  visit(Floats(), in[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    each_window<T>(context, windows, in[0], out, [&](T* y, const auto& all) {
      int64_t count = 0;
      std::fill_n(y, channels, T(0));
      all([&](const T* x) {
        ++count;
        for (int64_t c = 0; c < channels; ++c) y[c] += x[c];
      });
      for (int64_t c = 0; c < channels; ++c) y[c] /= static_cast<T>(count);
    });
  });
}

constexpr AttributeRule kAttributes[] = {{"sizes", AttributeType::kList},
                                         {"strides", AttributeType::kList},
                                         {"padding", AttributeType::kPadding}};

constexpr Operation kOperations[] = {
    {"average_pool", 1, 1, average_pool, kAttributes},
    {"max_pool", 1, 1, max_pool, kAttributes, 1, Half::kWide, 1},
};

}  // namespace

Operations pooling_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
