/* Values of a graph: arrays, and lists of arrays. Arrays are contiguous, in row-major order. */
#ifndef BCQ_RUNTIME_GRAPH_ARRAY_H_
#define BCQ_RUNTIME_GRAPH_ARRAY_H_

#include <cstdint>
#include <string>
#include <utility>

#include "runtime/bcq.h"
#include "runtime/failure.h"
#include "runtime/graph/pool.h"

namespace bcq::graph {

constexpr int kMostAxes = 8;

/* Throws Failure: inputs of an operation break its rules. */
template <class... Pieces>
[[noreturn, gnu::always_inline]] inline void fail(const Pieces&... pieces) {
  runtime::fail(BCQ_BAD_ARGUMENT, {runtime::Piece(pieces)...});
}

struct Shape {
  int32_t rank = 0;
  int64_t lengths[kMostAxes];

  Shape() = default;
  Shape(std::initializer_list<int64_t> all);

  int64_t operator[](int axis) const { return lengths[axis]; }
  int64_t& operator[](int axis) { return lengths[axis]; }
  int64_t last() const { return lengths[rank - 1]; }

  /* An axis more at the end; throws Failure where there are too many. */
  void add(int64_t length);
  /* Some axes of another shape more. */
  void add(const Shape& other, int begin, int end);
  void insert(int axis, int64_t length);
  void remove(int axis);
  /* The axes from begin to end - 1. */
  Shape part(int begin, int end) const;

  /* For messages. */
  operator runtime::Piece() const { return runtime::shown(lengths, rank); }

  /* The product of all lengths, which has been checked when the array was made. */
  int64_t count() const;
  /* The same of some axes. */
  int64_t count(int begin, int end) const;
};

bool operator==(const Shape& a, const Shape& b);
inline bool operator!=(const Shape& a, const Shape& b) { return !(a == b); }

/* The number of elements. Throws Failure where no array can be so large; also where lengths beside
 * one of 0 are. */
int64_t checked_count(const Shape& shape);

/* Elements from one to the next of each axis. */
void strides_of(const Shape& shape, int64_t* strides);

const char* name_of(bcq_dtype dtype); /* "float32" */
/* What is so called; false: nothing is. */
bool find_dtype(const std::string& name, bcq_dtype* dtype);

enum class Kind : uint8_t { kNothing, kNumbers, kList };

struct Array {
  Kind kind = Kind::kNothing;
  bcq_dtype dtype = BCQ_F32;
  Shape shape;
  int64_t count = 0;      /* elements, or places of a list */
  Block* block = nullptr; /* what it stands in; NULL: memory of others */
  char* data = nullptr;

  Array() = default;
  Array(const Array& other);
  Array(Array&& other) noexcept;
  Array& operator=(const Array& other);
  Array& operator=(Array&& other) noexcept;
  ~Array() { reset(); }

  /* An array in memory of others. */
  static Array outside(bcq_dtype dtype, const Shape& shape, const void* data);

  void reset();

  template <class T>
  const T* numbers() const {
    return reinterpret_cast<const T*>(data);
  }
  template <class T>
  T* numbers() {
    return reinterpret_cast<T*>(data);
  }

  int rank() const { return shape.rank; }
  int64_t item_bytes() const;
  int64_t bytes() const { return count * item_bytes(); }

  /* Whether nobody else uses its memory, so that others may be written there. */
  bool is_alone() const { return block != nullptr && block->users == 1; }

  /* The same numbers in another shape of as many. */
  Array with_shape(const Shape& other) const&;
  Array with_shape(const Shape& other) &&;
  /* A part of the first axis, where it stands. */
  Array part(int64_t offset, const Shape& part_shape) const;

  /* Of a list: its places. */
  Array* items() { return reinterpret_cast<Array*>(data); }
  const Array* items() const { return reinterpret_cast<const Array*>(data); }

 private:
  void take(Array* other);
};

}  // namespace bcq::graph

#endif
