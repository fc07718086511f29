#include "runtime/graph/half.h"

namespace bcq::graph {

Array widened(Context& context, const Array& half) {
  Array single = context.make(BCQ_F32, half.shape);
  for (int64_t i = 0; i < half.count; ++i) {
    single.numbers<float>()[i] = from_half(half.numbers<uint16_t>()[i]);
  }
  return single;
}

Array narrowed(Context& context, const Array& single) {
  Array half = context.make(BCQ_F16, single.shape);
  for (int64_t i = 0; i < single.count; ++i) {
    half.numbers<uint16_t>()[i] = to_half(single.numbers<float>()[i]);
  }
  return half;
}

}  // namespace bcq::graph
