/* The tensors of a file by name. */
#ifndef BCQ_RUNTIME_TENSORS_H_
#define BCQ_RUNTIME_TENSORS_H_

#include <string>
#include <string_view>
#include <vector>

#include "runtime/bcq.h"

namespace bcq::runtime {

struct Tensor {
  std::string name;
  bcq_dtype dtype;
  std::vector<int64_t> shape;
  const void* data;
  int64_t bytes;
  bool taken = false; /* by a weight */

  int64_t rank() const { return static_cast<int64_t>(shape.size()); }
};

/* The bytes of a number. */
int64_t item_bytes(bcq_dtype dtype);

/* "F16", as the format calls it. */
const char* name_of(bcq_dtype dtype);

/* What is so called; false: nothing is. */
bool find_dtype(std::string_view name, bcq_dtype* dtype);

bool is_floating(bcq_dtype dtype); /* F64, F32 or F16, in which numbers of codes may be */
bool is_integer(bcq_dtype dtype);

class Tensors {
 public:
  /* Room for so many, which are then added. */
  void reserve(size_t count) { all_.reserve(count); }
  void add(Tensor tensor) { all_.push_back(std::move(tensor)); }
  size_t size() const { return all_.size(); }

  /* When all have been added, and before any is taken. */
  void sort_names();

  /* The tensor of this name, which no weight has taken yet; throws Failure where there is none. */
  const Tensor& take(std::string_view name);

  /* Throws Failure unless all have been taken. */
  void check_all_taken() const;

 private:
  std::vector<Tensor> all_;
  std::vector<uint32_t> by_name_;
};

}  // namespace bcq::runtime

#endif
