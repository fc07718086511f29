/* Arrays made of few numbers. */
#include <algorithm>
#include <cmath>

#include "runtime/graph/broadcast.h"
#include "runtime/graph/copy.h"
#include "runtime/graph/dtypes.h"
#include "runtime/graph/integers.h"
#include "runtime/graph/numbers_of.h"
#include "runtime/graph/operations.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

namespace {

Array repeated(Context& context, const Array& x, const Shape& shape) {
  checked_count(shape);
  int64_t strides[kMostAxes];
  broadcast_strides(x.shape, shape, strides);
  Array result = context.make(x.dtype, shape);
  gather_strided(x.item_bytes(), shape, strides, x.data, result.data);
  return result;
}

void broadcast_to(Context& context, const Node&, Array* in, Array* out) {
  check_numbers(in[0]);
  *out = repeated(context, in[0], shape_of(in[1]));
}

void fill(Context& context, const Node&, Array* in, Array* out) {
  check_numbers(in[1]);
  *out = repeated(context, in[1], shape_of(in[0]));
}

void zeros_like(Context& context, const Node&, Array* in, Array* out) {
  check_numbers(in[0]);
  *out = context.zeros(in[0].dtype, in[0].shape);
}

void ones_like(Context& context, const Node&, Array* in, Array* out) {
  check_numbers(in[0]);
  Array one = context.make(BCQ_I64, {});
  *one.numbers<int64_t>() = 1;
  *out = repeated(context, as_dtype(context, one, in[0].dtype), in[0].shape);
}

void tile(Context& context, const Node&, Array* in, Array* out) {
  check_numbers(in[0]);
  const Few counts(in[1]);
  const Array& x = in[0];
  const int rank = std::max(x.rank(), counts.count);
  Shape shape;
  int64_t own[kMostAxes], to[kMostAxes];
  strides_of(x.shape, own);
  const auto length_of = [&](int axis) {
    return axis < rank - x.rank() ? 1 : x.shape[axis - rank + x.rank()];
  };
  const auto count_of = [&](int axis) {
    return axis < rank - counts.count ? 1 : counts[axis - rank + counts.count];
  };
  for (int axis = 0; axis < rank; ++axis) {
    int64_t length;
    if (__builtin_mul_overflow(length_of(axis), count_of(axis), &length)) fail("it is too large");
    shape.add(length);
  }
  *out = context.make(x.dtype, shape);
  if (out->count == 0) return;
  strides_of(shape, to);
  CopyAxes axes;
  for (int axis = 0; axis < rank; ++axis) {
    const bool is_new = axis < rank - x.rank();
    axes.add(count_of(axis), 0, to[axis] * length_of(axis));
    axes.add(length_of(axis), is_new ? 0 : own[axis - rank + x.rank()], to[axis]);
  }
  copy(x.item_bytes(), axes, x.data, out->data);
}

/* How many numbers are from start on before stop. */
template <class T>
int64_t range_length(T start, T stop, T step) {
  if (step == 0) fail("a range has steps of 0");
  if constexpr (kIsFloat<T>) {
    const double length = std::ceil((static_cast<double>(stop) - start) / step);
    if (!(length < static_cast<double>(BCQ_MOST_ELEMENTS))) fail("a range is too long");
    return length > 0 ? static_cast<int64_t>(length) : 0;
  } else {
    using Wide = __int128;
    const Wide distance = static_cast<Wide>(stop) - start, size = step;
    if (distance == 0 || (distance > 0) != (size > 0)) return 0;
    const Wide length = (distance + size + (size > 0 ? -1 : 1)) / size;
    if (length > BCQ_MOST_ELEMENTS) fail("a range is too long");
    return static_cast<int64_t>(length);
  }
}

void range(Context& context, const Node&, Array* in, Array* out) {
  for (int i = 0; i < 3; ++i) {
    check_numbers(in[i]);
    check_same(in[0], in[i]);
    if (in[i].count != 1) fail("the ends and the step of a range are ", in[i].shape);
  }
  visit(NumbersAndInt32(), in[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    const T start = *in[0].numbers<T>(), step = *in[2].numbers<T>();
    *out = context.make(in[0].dtype, {range_length(start, *in[1].numbers<T>(), step)});
    const T between = subtracted(added(start, step), start); /* as NumPy rounds it */
    for (int64_t i = 0; i < out->count; ++i) {
      out->numbers<T>()[i] = added(start, multiplied(static_cast<T>(i), between));
    }
  });
}

/* ids [before, after] -> [before, depth, after]. */
void one_hot(Context& context, const Node& node, Array* in, Array* out) {
  check_integers(in[0]);
  check_numbers(in[2]);
  check_same(in[2], in[3]);
  const Array& ids = in[0];
  const int64_t depth = only_integer(in[1]);
  if (in[2].count != 1 || in[3].count != 1) fail("what is on or off is not one number");
  const int axis = axis_of(node[0].integer_or(-1), ids.rank() + 1);
  Shape shape = ids.shape;
  shape.insert(axis, depth);
  *out = repeated(context, in[3].with_shape({}), shape);
  const int64_t after = ids.shape.count(axis, ids.rank()), item = out->item_bytes();
  for (int64_t i = 0; i < ids.count && out->count > 0; ++i) {
    const int64_t id = integer_at(ids, i);
    if (id < 0 || id >= depth) continue;
    const int64_t place = (i / after * depth + id) * after + i % after;
    copy(item, CopyAxes(), in[2].data, out->data + place * item);
  }
}

/* 0 where no diagonal of the band is. */
void band_part(Context& context, const Node&, Array* in, Array* out) {
  check_numbers(in[0]);
  if (in[0].rank() < 2) fail("a matrix is wanted, not ", in[0].shape);
  const int64_t lower = only_integer(in[1]), upper = only_integer(in[2]);
  *out = context.own(&in[0]);
  context.charge(out->count);
  const int64_t columns = out->shape.last(), rows = out->shape[out->rank() - 2];
  const int64_t item = out->item_bytes();
  for (int64_t i = 0; i < out->count / std::max<int64_t>(columns, 1); ++i) {
    const int64_t row = i % rows;
    const int64_t first = lower < 0 || lower > row ? 0 : std::min(row - lower, columns);
    const int64_t last =
        upper < 0 || upper > columns ? columns : std::min(row + upper + 1, columns);
    char* const at = out->data + i * columns * item;
    std::fill_n(at, first * item, '\0');
    std::fill_n(at + last * item, (columns - last) * item, '\0');
  }
}

constexpr AttributeRule kAxis[] = {{"axis", AttributeType::kInteger, true}};

constexpr Operation kOperations[] = {
    {"broadcast_to", 2, 2, broadcast_to, {}, 1, Half::kItself},
    {"fill", 2, 2, fill, {}, 1, Half::kItself},
    {"zeros_like", 1, 1, zeros_like, {}, 1, Half::kItself},
    {"ones_like", 1, 1, ones_like, {}, 1, Half::kItself},
    {"tile", 2, 2, tile, {}, 1, Half::kItself},
    {"range", 3, 3, range, {}, 1, Half::kWide, 3, Integers::kInt32},
    {"one_hot", 4, 4, one_hot, kAxis, 1, Half::kItself},
    {"band_part", 3, 3, band_part, {}, 1, Half::kItself},
};

}  // namespace

Operations fill_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
