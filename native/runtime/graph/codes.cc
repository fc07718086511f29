/* Products with weights from their codes, and their rows and columns. */
#include <algorithm>

#include "runtime/failure.h"
#include "runtime/graph/gemm.h"
#include "runtime/graph/dtypes.h"
#include "runtime/graph/integers.h"
#include "runtime/graph/operations.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

namespace {

constexpr int64_t kBlockNumbers = 1 << 18; /* of rows that are decoded at a time */

void check(bcq_status status) {
  if (status == BCQ_OK) return;
  const char* const text = status == BCQ_NO_MEMORY ? "the system has no more memory"
                                                   : "its codes cannot be computed with";
  runtime::fail(status, {text});
}

void rows_of(Context& context, const bcq_weight& weight, const int64_t* ids, int64_t count,
             float* out) {
  context.charge(count, weight.columns);
  int64_t bad = 0;
  const bcq_status status = bcq_rows(&weight, ids, count, out, &bad, context.parallel);
  if (status == BCQ_BAD_ID) fail_id(ids[bad], weight.rows);
  check(status);
}

/* Calls use(rows [count, columns], first, count) for all rows, block by block. */
template <class Use>
void each_block(Context& context, const bcq_weight& weight, const Use& use) {
  const int64_t most = std::min(std::max<int64_t>(kBlockNumbers / weight.columns, 16), weight.rows);
  Scratch<float> rows(context, most * weight.columns);
  Scratch<int64_t> ids(context, most);
  for (int64_t first = 0; first < weight.rows; first += most) {
    const int64_t count = std::min(most, weight.rows - first);
    for (int64_t i = 0; i < count; ++i) ids[i] = first + i;
    rows_of(context, weight, ids.data(), count, rows.data());
    use(rows.data(), first, count);
  }
}

Array product_of(Context& context, const bcq_weight& weight, const Array& x,
                 bcq_precision precision, const Shape& shape) {
  Array y = context.make(x.dtype, shape);
  const int64_t batch = shape.count(0, shape.rank - 1), columns = weight.columns;
  if (y.count == 0) return y;
  if (weight.kind == BCQ_BINARY) {
    context.charge(batch, columns, weight.rows);
    const bcq_type type = x.dtype == BCQ_F16 ? BCQ_FLOAT16 : BCQ_FLOAT32;
    check(bcq_product(&weight.binary, precision, type, x.data, batch, y.data, context.parallel));
    return y;
  }
  if (x.dtype == BCQ_F16) {
    const Array single = as_dtype(context, x, BCQ_F32);
    return as_dtype(context, product_of(context, weight, single, precision, shape), BCQ_F16);
  }
  each_block(context, weight, [&](const float* rows, int64_t first, int64_t count) {
    multiply(context, batch, columns, count, {x.numbers<float>(), columns, 1}, {rows, 1, columns},
             y.numbers<float>() + first, weight.rows);
  });
  return y;
}

void product(Context& context, const Node& node, Array* in, Array* out) {
  const Array& x = in[0];
  check_numbers(x);
  if (x.dtype != BCQ_F32 && x.dtype != BCQ_F16) {
    fail("x must be float32 or float16. Received: ", name_of(x.dtype));
  }
  const bcq_weight& weight = *node.weight;
  if (x.rank() == 0 || x.shape.last() != weight.columns) {
    fail("x must be [..., ", weight.columns, "]. Received: ", x.shape);
  }
  Shape shape = x.shape.part(0, x.rank() - 1);
  shape.add(weight.rows);
  *out = product_of(context, weight, x, static_cast<bcq_precision>(node[0].integer), shape);
}

void rows(Context& context, const Node& node, Array* in, Array* out) {
  const Array ids = wide_ids(context, in[0]);
  const bcq_weight& weight = *node.weight;
  Shape shape = ids.shape;
  shape.add(weight.columns);
  Array result = context.make(BCQ_F32, shape);
  if (ids.count > 0) {
    rows_of(context, weight, ids.numbers<int64_t>(), ids.count, result.numbers<float>());
  }
  *out = as_dtype(context, result, static_cast<bcq_dtype>(node[0].integer));
}

void columns(Context& context, const Node& node, Array*, Array* out) {
  const bcq_weight& weight = *node.weight;
  Array result = context.make(BCQ_F32, {weight.columns, weight.rows});
  float* const to = result.numbers<float>();
  if (weight.kind == BCQ_BINARY) {
    check(bcq_columns(&weight.binary, BCQ_FLOAT32, to, context.parallel));
  } else {
    each_block(context, weight, [&](const float* block, int64_t first, int64_t count) {
      for (int64_t column = 0; column < weight.columns; ++column) {
        for (int64_t i = 0; i < count; ++i) {
          to[column * weight.rows + first + i] = block[i * weight.columns + column];
        }
      }
    });
  }
  *out = as_dtype(context, result, static_cast<bcq_dtype>(node[0].integer));
}

constexpr AttributeRule kPrecision[] = {{"precision", AttributeType::kPrecision}};
constexpr AttributeRule kDtype[] = {{"dtype", AttributeType::kDtype}};

constexpr Operation kOperations[] = {
    {"product", 2, 2, product, kPrecision, 1, Half::kItself, 0, Integers::kWidened, 1},
    {"rows", 2, 2, rows, kDtype, 1, Half::kItself, 0, Integers::kWidened, 1},
    {"columns", 1, 1, columns, kDtype, 1, Half::kItself, 0, Integers::kWidened, 0},
};

}  // namespace

Operations code_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
