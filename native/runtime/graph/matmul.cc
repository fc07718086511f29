/* Products of matrices, for each of the axes before. */
#include "runtime/graph/broadcast.h"
#include "runtime/graph/gemm.h"
#include "runtime/graph/operations.h"
#include "runtime/graph/types.h"

namespace bcq::graph {

namespace {

/* One of the two factors: its matrix, or that transposed. */
struct Side {
  int64_t rows, columns, row, column; /* lengths, strides */

  Side(const Array& x, bool transposed) {
    check_numbers(x);
    if (x.rank() < 2) fail("a matrix is wanted, not ", x.shape);
    rows = x.shape[x.rank() - 2];
    columns = x.shape.last();
    row = columns;
    column = 1;
    if (!transposed) return;
    std::swap(rows, columns);
    std::swap(row, column);
  }
};

Shape batch_of(const Array& x) { return x.shape.part(0, x.rank() - 2); }

void matmul(Context& context, const Node& node, Array* in, Array* out) {
  const Side a(in[0], node[0].integer != 0), b(in[1], node[1].integer != 0);
  check_same(in[0], in[1]);
  if (a.columns != b.rows) fail(in[0].shape, " and ", in[1].shape, " do not match");
  const Shape of_a = batch_of(in[0]), of_b = batch_of(in[1]), batch = broadcast(of_a, of_b);
  Shape shape = batch;
  shape.add(a.rows);
  shape.add(b.columns);
  *out = context.make(in[0].dtype, shape);
  if (out->count == 0) return;
  /* Matrices that all have the same other factor are one with more rows. */
  const bool is_one = of_b.count() == 1 && of_a.count() == batch.count() && !node[0].integer;
  Side rows = a;
  if (is_one) rows.rows *= batch.count();
  const Shape none = {};
  const Shape* const shapes[2] = {is_one ? &none : &of_a, is_one ? &none : &of_b};
  const Rows<2> matrices(is_one ? none : batch, shapes);
  const int64_t item = out->item_bytes(), of_x = a.rows * a.columns * item;
  const int64_t of_y = b.rows * b.columns * item, of_result = a.rows * b.columns * item;
  matrices.each([&](int64_t place, const int64_t(&places)[2], int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const char* const x = in[0].data + (places[0] + i * matrices.step(0)) * of_x;
      const char* const y = in[1].data + (places[1] + i * matrices.step(1)) * of_y;
      multiply(context, out->dtype, rows.rows, a.columns, b.columns, {x, a.row, a.column},
               {y, b.row, b.column}, out->data + (place + i) * of_result);
    }
  });
}

constexpr AttributeRule kTransposed[] = {{"transpose_a", AttributeType::kFlag, true},
                                         {"transpose_b", AttributeType::kFlag, true}};

constexpr Operation kOperations[] = {
    {"matmul", 2, 2, matmul, kTransposed, 1, Half::kWide, 2},
};

}  // namespace

Operations matmul_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
