#include "runtime/graph/windows.h"

namespace bcq::graph {

namespace {

constexpr int64_t kMostSize = INT32_MAX;

void check_sizes(const char* name, const std::vector<int64_t>& sizes, size_t count, int64_t least) {
  bool fits = sizes.size() == count;
  for (const int64_t size : sizes) fits = fits && size >= least && size <= kMostSize;
  if (!fits) fail(name, " are not right for ", count, " axes");
}

}  // namespace

Windows::Windows(const Shape& x, int first_axis, const Shape& window,
                 const std::vector<int64_t>& steps, const std::vector<int64_t>* spread,
                 Padding padding, const std::vector<int64_t>* explicit_widths)
    : given(window.rank) {
  if (given < 1 || given > kAxes) fail("windows have 1 to 3 axes, not ", given);
  check_sizes("strides", steps, static_cast<size_t>(given), 1);
  if (spread != nullptr) check_sizes("dilations", *spread, static_cast<size_t>(given), 1);
  for (int axis = 0; axis < kAxes; ++axis) {
    const int from = axis - (kAxes - given);
    const auto i = static_cast<size_t>(from);
    lengths[axis] = from < 0 ? 1 : x[first_axis + from];
    sizes[axis] = from < 0 ? 1 : window[from];
    strides[axis] = from < 0 ? 1 : steps[i];
    dilations[axis] = from < 0 || spread == nullptr ? 1 : (*spread)[i];
    if (sizes[axis] < 1 || sizes[axis] > kMostSize) fail("a window is ", window);
  }
  pad(padding, explicit_widths);
  for (int axis = 0; axis < kAxes; ++axis) {
    const int64_t whole = lengths[axis] + before[axis] + after[axis];
    const int64_t span = (sizes[axis] - 1) * dilations[axis] + 1;
    if (whole < span) fail("a window of ", window, " does not fit into ", x);
    places[axis] = (whole - span) / strides[axis] + 1;
  }
}

void Windows::pad(Padding padding, const std::vector<int64_t>* explicit_widths) {
  static const std::vector<int64_t> kNone;
  const std::vector<int64_t>& widths = explicit_widths == nullptr ? kNone : *explicit_widths;
  if (padding == kExplicit) check_sizes("widths", widths, 2 * static_cast<size_t>(given), 0);
  for (int axis = 0; axis < kAxes; ++axis) {
    before[axis] = after[axis] = 0;
    const int from = axis - (kAxes - given);
    if (padding == kValid || from < 0) continue;
    if (padding == kExplicit) {
      before[axis] = widths[2 * static_cast<size_t>(from)];
      after[axis] = widths[2 * static_cast<size_t>(from) + 1];
      continue;
    }
    const int64_t stride = strides[axis];
    const int64_t wanted = lengths[axis] / stride + (lengths[axis] % stride != 0 ? 1 : 0);
    const int64_t span = (sizes[axis] - 1) * dilations[axis] + 1;
    const int64_t missing = (wanted - 1) * stride + span - lengths[axis];
    if (missing <= 0) continue;
    before[axis] = missing / 2;
    after[axis] = missing - missing / 2;
  }
}

Shape Windows::result(int64_t batch, int64_t channels) const {
  Shape shape = {batch};
  for (int axis = kAxes - given; axis < kAxes; ++axis) shape.add(places[axis]);
  shape.add(channels);
  return shape;
}

}  // namespace bcq::graph
