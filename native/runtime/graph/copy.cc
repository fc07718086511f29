#include "runtime/graph/copy.h"

#include <cstring>

namespace bcq::graph {

namespace {

/* Without axes of one element, and those that stand as one in both arrays made one. False: there
 * is nothing to copy. */
bool simplify(CopyAxes* axes) {
  int rank = 0;
  for (int i = 0; i < axes->rank; ++i) {
    const int64_t length = axes->lengths[i], from = axes->from[i], to = axes->to[i];
    if (length == 0) return false;
    if (length == 1) continue;
    const int last = rank - 1;
    if (rank > 0 && axes->from[last] == from * length && axes->to[last] == to * length) {
      axes->lengths[last] *= length;
      axes->from[last] = from;
      axes->to[last] = to;
      continue;
    }
    axes->lengths[rank] = length;
    axes->from[rank] = from;
    axes->to[rank++] = to;
  }
  axes->rank = rank;
  return true;
}

/* Numbers of any type in arrays of any type. */
template <int kBytes>
struct Item;
template <>
struct Item<1> {
  typedef uint8_t __attribute__((may_alias)) Type;
};
template <>
struct Item<2> {
  typedef uint16_t __attribute__((may_alias)) Type;
};
template <>
struct Item<4> {
  typedef uint32_t __attribute__((may_alias)) Type;
};
template <>
struct Item<8> {
  typedef uint64_t __attribute__((may_alias)) Type;
};

template <class T>
void copy_row(int64_t count, const T* from, int64_t from_stride, T* to, int64_t to_stride) {
  if (from_stride == 1 && to_stride == 1) {
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(T));
  } else if (from_stride == 0 && to_stride == 1) {
    const T value = *from;
    for (int64_t i = 0; i < count; ++i) to[i] = value;
  } else if (to_stride == 1) {
    for (int64_t i = 0; i < count; ++i) to[i] = from[i * from_stride];
  } else {
    for (int64_t i = 0; i < count; ++i) to[i * to_stride] = from[i * from_stride];
  }
}

template <int kBytes>
void copy_all(const CopyAxes& axes, const char* from_bytes, char* to_bytes) {
  using T = typename Item<kBytes>::Type;
  const T* from = reinterpret_cast<const T*>(from_bytes);
  T* to = reinterpret_cast<T*>(to_bytes);
  const int inner = axes.rank - 1;
  if (inner < 0) {
    *to = *from;
    return;
  }
  int64_t at[CopyAxes::kMost] = {};
  for (;;) {
    copy_row(axes.lengths[inner], from, axes.from[inner], to, axes.to[inner]);
    int axis = inner - 1;
    for (; axis >= 0; --axis) {
      from += axes.from[axis];
      to += axes.to[axis];
      if (++at[axis] < axes.lengths[axis]) break;
      at[axis] = 0;
      from -= axes.from[axis] * axes.lengths[axis];
      to -= axes.to[axis] * axes.lengths[axis];
    }
    if (axis < 0) return;
  }
}

}  // namespace

void copy(int64_t item_bytes, CopyAxes axes, const char* from, char* to) {
  if (!simplify(&axes)) return;
  switch (item_bytes) {
    case 1:
      return copy_all<1>(axes, from, to);
    case 2:
      return copy_all<2>(axes, from, to);
    case 4:
      return copy_all<4>(axes, from, to);
    default:
      return copy_all<8>(axes, from, to);
  }
}

void gather_strided(int64_t item_bytes, const Shape& shape, const int64_t* strides,
                    const char* from, char* to) {
  int64_t own[kMostAxes];
  strides_of(shape, own);
  CopyAxes axes;
  axes.add(shape, strides, own);
  copy(item_bytes, axes, from, to);
}

}  // namespace bcq::graph
