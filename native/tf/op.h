/* What an op is made of.
 *
 * An op is a struct whose members are its attributes. From it, kernel.h makes TensorFlow's kernels,
 * signatures.cc the op's definition and shape function, xla/ and gpu/ what XLA compiles and calls:
 *
 *   kName
 *   kSignature                 "inputs -> outputs", each as TensorFlow writes it
 *   attributes(visit)          visit(definition[, member]) for each attribute, see attributes.h
 *   check_attributes()         an error where an attribute breaks a rule
 *   outputs(in, &out)          the outputs' shapes of inputs' shapes, which need not all be known;
 *                              it may complete members from them
 *   check(in)                  the other rules of shapes, which are all known
 *   run(in, out, cpu or cuda)  the work, on the core's C interface or on native/cuda; without the
 *                              latter, the op is for the CPU alone
 *
 * A shape function calls outputs(), a kernel outputs(), check() and run(). The list of ops is
 * ops/all.h. */
#ifndef BCQ_TF_OP_H_
#define BCQ_TF_OP_H_

#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>

#include "absl/types/span.h"
#include "core/ids.h"
#include "core/matrix.h"
#include "core/parallel.h"
#include "tf/shape.h"

namespace bcq {

/* What holds of an op that does not say otherwise. */
struct OpDefaults {
  /* Input 0 is a resource variable of the attribute T; run() gets its value, in place. */
  static constexpr bool kReadsVariable = false;
  /* run() may lower the count of output 0. Under XLA, which must know sizes, the rest of it then
   * repeats the first element. */
  static constexpr bool kShortens = false;
  /* So many inputs at the end are there for their shapes; run() does not use them. */
  static constexpr int kShapesOnly = 0;

  absl::Status check_attributes() const { return absl::OkStatus(); }
  absl::Status check(const Shapes&) const { return absl::OkStatus(); }
};

/* A tensor, in memory of the device that the op runs on. */
template <class Void>
struct Buffer {
  Void* data = nullptr; /* NULL where there are no elements */
  bcq_type type;        /* of a tensor of floats */
  int32_t width;        /* bytes of an element */
  Dims dims;
  int64_t count;

  Buffer(Void* memory, bcq_type type, int64_t width, Dims sizes)
      : type(type), width(static_cast<int32_t>(width)), dims(std::move(sizes)), count(1) {
    for (const int64_t dim : dims) count *= dim;
    if (count > 0) data = memory;
  }

  template <class T>
  auto* as() const {
    return static_cast<std::conditional_t<std::is_const_v<Void>, const T, T>*>(data);
  }
};

using Input = Buffer<const void>;
using Output = Buffer<void>;
using Inputs = absl::InlinedVector<Input, 8>;
using Outputs = absl::InlinedVector<Output, 2>;

inline bcq_ids ids_of(const Input& ids) { return {ids.data, ids.width}; }

inline absl::Status core_status(bcq_status status) {
  switch (status) {
    case BCQ_OK:
      return absl::OkStatus();
    case BCQ_NO_MEMORY:
      return absl::ResourceExhaustedError("bcq_tf: out of memory");
    case BCQ_NO_DEVICE:
      return absl::InternalError("bcq_tf: the CUDA driver reports an error");
    default:
      return invalid("bcq_tf: the codes break a rule of the compiled core");
  }
}

/* `id`, at `index` of all ids, is no row of its table; sizes[t] is the rows of table t. */
inline absl::Status bad_id(absl::Span<const int64_t> sizes, int64_t index, int64_t id) {
  const int64_t tables = static_cast<int64_t>(sizes.size()), table = index % tables;
  const std::string of = tables == 1 ? "" : absl::StrCat(" of table ", table);
  const std::string place =
      tables == 1 ? absl::StrCat(index) : absl::StrCat(index / tables, ", ", table);
  return invalid("`ids`", of, " must be from 0 to ", sizes[table] - 1, ". Received: ids[", place,
                 "]=", id);
}

/* For functions of the core that tell the index of the first bad id. */
inline absl::Status ids_status(bcq_status status, absl::Span<const int64_t> sizes, int64_t bad,
                               const Input& ids) {
  return status == BCQ_BAD_ID ? bad_id(sizes, bad, id_at(ids_of(ids), bad)) : core_status(status);
}

/* Where an op runs. */
struct Cpu {
  bcq_parallel threads;
};

struct Cuda {
  void* stream;
  /* So many bytes, 1 or more, of the device, until what is on the stream then has run. */
  std::function<absl::Status(int64_t bytes, void** place)> allocate;

  /* call(workspace), which returns a bcq_status, with so many bytes; below 0 they are an error. */
  template <class Call>
  absl::Status with_workspace(int64_t bytes, Call call) const {
    void* workspace = nullptr;
    if (bytes < 0) return core_status(BCQ_BAD_ARGUMENT);
    if (bytes > 0) TF_RETURN_IF_ERROR(allocate(bytes, &workspace));
    return core_status(call(workspace));
  }
};

template <class Op, class Device>
using Run = decltype(std::declval<const Op&>().run(
    std::declval<const Inputs&>(), std::declval<Outputs&>(), std::declval<const Device&>()));

template <class Op, class Device, class = void>
struct RunsOn : std::false_type {};

template <class Op, class Device>
struct RunsOn<Op, Device, std::void_t<Run<Op, Device>>> : std::true_type {};

/* The outputs' shapes, as far as those of the inputs are known. */
template <class Op>
absl::Status infer_shapes(Op* op, const Shapes& in, Shapes* out) {
  TF_RETURN_IF_ERROR(check_sizes(in));
  TF_RETURN_IF_ERROR(op->outputs(in, out));
  return check_sizes(*out);
}

/* Of inputs whose shapes are all known. Every rule of them is checked. */
template <class Op>
absl::Status check_shapes(Op* op, const Shapes& in, Shapes* out) {
  TF_RETURN_IF_ERROR(infer_shapes(op, in, out));
  return op->check(in);
}

}  // namespace bcq

#endif
