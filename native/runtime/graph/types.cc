#include "runtime/graph/types.h"

namespace bcq::graph {

void fail_dtype(bcq_dtype dtype) { fail("it does not compute with ", name_of(dtype)); }

void check_numbers(const Array& x) {
  if (x.kind != Kind::kNumbers) fail("it is given a list or nothing where an array must be");
}

void check_same(const Array& a, const Array& b) {
  if (a.dtype == b.dtype) return;
  fail("its inputs are of two dtypes, ", name_of(a.dtype), " and ", name_of(b.dtype));
}

}  // namespace bcq::graph
