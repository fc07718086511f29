/* Blocks of arrays: taken out, and put in. */
#include <algorithm>

#include "runtime/graph/copy.h"
#include "runtime/graph/integers.h"
#include "runtime/graph/operations.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

namespace {

constexpr int64_t kFar = BCQ_MOST_ELEMENTS; /* beyond the ends of all axes */

int64_t within(int64_t x, int64_t least, int64_t most) {
  return std::min(std::max(x, least), most);
}

/* A part of an array in which nothing has been copied yet. */
class Part {
 public:
  explicit Part(const Array& x) : x_(x) { strides_of(x.shape, own_); }

  int left() const { return x_.rank() - axis_; }

  /* The next axis as a whole. */
  void keep() { take(0, x_.shape[axis_], 1); }

  /* From begin on before end, as Python's slices; `open` ones reach to the end of the axis. */
  void slice(int64_t begin, bool open_begin, int64_t end, bool open_end, int64_t step) {
    if (step == 0) fail("a slice has steps of 0");
    const int64_t length = x_.shape[axis_], least = step > 0 ? 0 : -1;
    const int64_t most = step > 0 ? length : length - 1;
    step = within(step, -kFar, kFar);
    begin = begin < 0 ? begin + length : begin;
    end = end < 0 ? end + length : end;
    begin = open_begin ? (step > 0 ? least : most) : within(begin, least, most);
    end = open_end ? (step > 0 ? most : least) : within(end, least, most);
    const int64_t distance = step > 0 ? end - begin : begin - end, size = step > 0 ? step : -step;
    take(begin, distance <= 0 ? 0 : (distance - 1) / size + 1, step);
  }

  /* One place of the next axis, which goes. */
  void pick(int64_t place) {
    const int64_t length = x_.shape[axis_];
    if (place < -length || place >= length) {
      fail("the place ", place, " is none of ", length);
    }
    first_ += own_[axis_++] * (place < 0 ? place + length : place);
  }

  void add_axis() {
    strides_[shape_.rank] = 0;
    shape_.add(1);
  }

  /* The array, which stays where it is if it is in one piece. */
  Array get(Context& context) {
    while (left() > 0) keep();
    if (checked_count(shape_) > 0 && is_whole()) return x_.part(first_, shape_);
    Array result = context.make(x_.dtype, shape_);
    if (result.count == 0) return result;
    const int64_t bytes = x_.item_bytes();
    gather_strided(bytes, shape_, strides_, x_.data + first_ * bytes, result.data);
    return result;
  }

 private:
  void take(int64_t begin, int64_t length, int64_t step) {
    if (length > 0) first_ += own_[axis_] * begin;
    strides_[shape_.rank] = length > 1 ? own_[axis_] * step : 0;
    shape_.add(length);
    ++axis_;
  }

  bool is_whole() const {
    int64_t strides[kMostAxes];
    strides_of(shape_, strides);
    for (int i = 0; i < shape_.rank; ++i) {
      if (shape_[i] != 1 && strides[i] != strides_[i]) return false;
    }
    return true;
  }

  const Array& x_;
  int axis_ = 0; /* of x, the next one */
  int64_t first_ = 0;
  Shape shape_;
  int64_t own_[kMostAxes], strides_[kMostAxes];
};

void slice(Context& context, const Node&, Array* in, Array* out) {
  check_numbers(in[0]);
  const Few begin(in[1]), lengths(in[2]);
  if (begin.count != lengths.count || begin.count > in[0].rank()) {
    fail("a slice of ", in[0].shape, " has ", begin.count, " begins");
  }
  Part part(in[0]);
  for (int i = 0; i < begin.count; ++i) {
    int64_t end = 0;
    const bool open = lengths[i] < 0;
    if (!open && __builtin_add_overflow(begin[i], lengths[i], &end)) fail("a slice is too long");
    part.slice(begin[i], false, end, open, 1);
  }
  *out = part.get(context);
}

/* One entry of the slices. */
struct Masks {
  int64_t begin, end, ellipsis, new_axis, shrink_axis;

  explicit Masks(const Node& node)
      : begin(node[0].integer),
        end(node[1].integer),
        ellipsis(node[2].integer),
        new_axis(node[3].integer),
        shrink_axis(node[4].integer) {}

  static bool has(int64_t mask, int entry) { return (mask >> entry & 1) != 0; }
  bool takes_axis(int entry) const { return !has(ellipsis | new_axis, entry); }
};

void strided_slice(Context& context, const Node& node, Array* in, Array* out) {
  check_numbers(in[0]);
  const Few begin(in[1]), end(in[2]), strides(in[3]);
  if (end.count < begin.count || strides.count < begin.count) fail("ends or steps are missing");
  const Masks masks(node);
  Part part(in[0]);
  int taken = 0, dots = 0;
  for (int i = 0; i < begin.count; ++i) {
    taken += masks.takes_axis(i) ? 1 : 0;
    dots += Masks::has(masks.ellipsis, i) ? 1 : 0;
  }
  if (dots > 1) fail("it has more than one ellipsis");
  if (taken > part.left()) fail(in[0].shape, " has less axes than it has slices");
  int skipped = part.left() - taken;
  for (int i = 0; i < begin.count; ++i) {
    if (Masks::has(masks.ellipsis, i)) {
      for (; skipped > 0; --skipped) part.keep();
    } else if (Masks::has(masks.new_axis, i)) {
      part.add_axis();
    } else if (Masks::has(masks.shrink_axis, i)) {
      part.pick(begin[i]);
    } else {
      part.slice(begin[i], Masks::has(masks.begin, i), end[i], Masks::has(masks.end, i),
                 strides[i]);
    }
  }
  *out = part.get(context);
}

void update_slice(Context& context, const Node&, Array* in, Array* out) {
  check_numbers(in[0]);
  check_numbers(in[1]);
  check_same(in[0], in[1]);
  const Few begin(in[2]);
  const Shape block = in[1].shape, whole = in[0].shape;
  if (block.rank != whole.rank || begin.count != whole.rank) fail("its axes do not match");
  int64_t own[kMostAxes], from[kMostAxes], first = 0;
  strides_of(whole, own);
  strides_of(block, from);
  for (int i = 0; i < whole.rank; ++i) {
    if (block[i] > whole[i]) fail(block, " is no block of ", whole);
    first += own[i] * within(begin[i], 0, whole[i] - block[i]);
  }
  const Array update = in[1];
  *out = context.own(&in[0]);
  if (update.count == 0) return;
  CopyAxes axes;
  axes.add(block, from, own);
  copy(out->item_bytes(), axes, update.data, out->data + first * out->item_bytes());
}

constexpr AttributeRule kMasks[] = {{"begin_mask", AttributeType::kInteger},
                                    {"end_mask", AttributeType::kInteger},
                                    {"ellipsis_mask", AttributeType::kInteger},
                                    {"new_axis_mask", AttributeType::kInteger},
                                    {"shrink_axis_mask", AttributeType::kInteger}};

constexpr Operation kOperations[] = {
    {"slice", 3, 3, slice, {}, 1, Half::kItself},
    {"strided_slice", 4, 4, strided_slice, kMasks, 1, Half::kItself},
    {"update_slice", 3, 3, update_slice, {}, 1, Half::kItself},
};

}  // namespace

Operations slice_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
