/* Parts of arrays by their numbers: taken out, put in, added up. */
#include <cstring>

#include "runtime/graph/dtypes.h"
#include "runtime/graph/integers.h"
#include "runtime/graph/numbers_of.h"
#include "runtime/graph/operations.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

namespace {

/* x [batch, before, length, after] and ids [batch, count] -> [batch, before, count, after]. */
struct Gather {
  int64_t batch, before, length, after, count;

  void run(const char* x, const int64_t* ids, int64_t item_bytes, char* out) const {
    const int64_t bytes = after * item_bytes;
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t i = 0; i < before; ++i) {
        const char* const from = x + (b * before + i) * length * bytes;
        for (int64_t k = 0; k < count; ++k, out += bytes) {
          std::memcpy(out, from + ids[b * count + k] * bytes, static_cast<size_t>(bytes));
        }
      }
    }
  }
};

void gather(Context& context, const Node& node, Array* in, Array* out) {
  check_numbers(in[0]);
  const Shape &x = in[0].shape, &ids = in[1].shape;
  const int axis = axis_of(only_integer(in[2]), x.rank);
  const int64_t shared = node[0].integer_or(0);
  if (shared < 0 || shared > axis || shared > ids.rank) fail("its batch axes do not match");
  const int batch = static_cast<int>(shared);
  if (x.part(0, batch) != ids.part(0, batch)) {
    fail(x, " and ", ids, " do not begin alike");
  }
  check_ids(in[1], x[axis]);
  Shape shape = x.part(0, axis);
  shape.add(ids, batch, ids.rank);
  shape.add(x, axis + 1, x.rank);
  *out = context.make(in[0].dtype, shape);
  if (out->count == 0) return;
  const Gather sizes = {x.count(0, batch), x.count(batch, axis), x[axis], x.count(axis + 1, x.rank),
                        ids.count(batch, ids.rank)};
  const Array wide = wide_ids(context, in[1]);
  sizes.run(in[0].data, wide.numbers<int64_t>(), out->item_bytes(), out->data);
}

/* Indexes [..., axes] of parts of an array. */
class Indexes {
 public:
  Indexes(const Array& ids, const Shape& whole) : ids_(ids) {
    check_integers(ids);
    if (ids.rank() == 0 || ids.shape.last() > whole.rank) {
      fail("the indexes ", ids.shape, " are of more axes than ", whole);
    }
    axes_ = static_cast<int>(ids.shape.last());
    for (int axis = 0; axis < axes_; ++axis) lengths_[axis] = whole[axis];
    part_ = whole.count(axes_, whole.rank);
    count_ = ids.shape.count(0, ids.rank() - 1);
    shape_ = ids.shape.part(0, ids.rank() - 1);
    shape_.add(whole, axes_, whole.rank);
    check();
  }

  const Shape& shape() const { return shape_; } /* of all parts together */
  int64_t count() const { return count_; }
  int64_t part() const { return part_; } /* numbers of one */

  /* Where a part begins. */
  int64_t operator[](int64_t i) const {
    int64_t place = 0;
    for (int axis = 0; axis < axes_; ++axis) {
      place = place * lengths_[axis] + integer_at(ids_, i * axes_ + axis);
    }
    return place * part_;
  }

 private:
  void check() const {
    for (int64_t i = 0; i < ids_.count; ++i) {
      const int64_t id = integer_at(ids_, i), length = lengths_[i % axes_];
      if (id < 0 || id >= length) fail_id(id, length);
    }
  }

  const Array& ids_;
  int axes_;
  int64_t lengths_[kMostAxes], part_, count_;
  Shape shape_;
};

void gather_nd(Context& context, const Node&, Array* in, Array* out) {
  check_numbers(in[0]);
  const Indexes indexes(in[1], in[0].shape);
  *out = context.make(in[0].dtype, indexes.shape());
  if (out->count == 0) return;
  const int64_t item = out->item_bytes(), bytes = indexes.part() * item;
  for (int64_t i = 0; i < indexes.count(); ++i) {
    std::memcpy(out->data + i * bytes, in[0].data + indexes[i] * item, static_cast<size_t>(bytes));
  }
}

void check_updates(const Array& updates, const Indexes& indexes) {
  check_numbers(updates);
  if (updates.shape == indexes.shape()) return;
  fail(updates.shape, " is put where ", indexes.shape(), " is wanted");
}

void scatter_update(Context& context, const Node&, Array* in, Array* out) {
  check_numbers(in[0]);
  check_same(in[0], in[2]);
  const Indexes indexes(in[1], in[0].shape);
  check_updates(in[2], indexes);
  *out = context.own(&in[0]);
  if (in[2].count == 0) return;
  const int64_t item = out->item_bytes(), bytes = indexes.part() * item;
  for (int64_t i = 0; i < indexes.count(); ++i) {
    std::memcpy(out->data + indexes[i] * item, in[2].data + i * bytes, static_cast<size_t>(bytes));
  }
}

void scatter(Context& context, const Node&, Array* in, Array* out) {
  const Shape whole = shape_of(in[2]);
  const Indexes indexes(in[0], whole);
  check_updates(in[1], indexes);
  const Array updates = widened(context, in[1]);
  Array sums = context.zeros(updates.dtype, whole);
  context.charge(updates.count);
  visit(Numbers(), updates.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < indexes.count(); ++i) {
      const T* const update = updates.numbers<T>() + i * indexes.part();
      T* const to = sums.numbers<T>() + indexes[i];
      for (int64_t j = 0; j < indexes.part(); ++j) to[j] = added(to[j], update[j]);
    }
  });
  *out = as_dtype(context, sums, in[1].dtype);
}

constexpr AttributeRule kBatchAxes[] = {{"batch_axes", AttributeType::kInteger, true}};

constexpr Operation kOperations[] = {
    {"gather", 3, 3, gather, kBatchAxes, 1, Half::kItself},
    {"gather_nd", 2, 2, gather_nd, {}, 1, Half::kItself},
    {"scatter_update", 3, 3, scatter_update, {}, 1, Half::kItself},
    {"scatter", 3, 3, scatter},
};

}  // namespace

Operations gather_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
