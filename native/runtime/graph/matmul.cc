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
    if (x.rank() < 2) fail("a matrix is wanted, not " + shown(x.shape));
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

template <class T>
void product_of(Context& context, const Side& a, const Side& b, const T* x, const T* y, T* out) {
  multiply(context, a.rows, a.columns, b.columns, FactorOf<T>{x, a.row, a.column},
           FactorOf<T>{y, b.row, b.column}, out, b.columns);
}

void matmul(Context& context, const Node& node, Array* in, Array* out) {
  const Side a(in[0], node[0].integer != 0), b(in[1], node[1].integer != 0);
  check_same(in[0], in[1]);
  if (a.columns != b.rows)
    fail(shown(in[0].shape) + " and " + shown(in[1].shape) + " do not match");
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
  visit(Numbers(), in[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    matrices.each([&](int64_t place, const int64_t(&places)[2], int64_t count) {
      for (int64_t i = 0; i < count; ++i) {
        const T* const x = in[0].numbers<T>();
        const T* const y = in[1].numbers<T>();
        product_of(context, rows, b, x + (places[0] + i * matrices.step(0)) * a.rows * a.columns,
                   y + (places[1] + i * matrices.step(1)) * b.rows * b.columns,
                   out->numbers<T>() + (place + i) * a.rows * b.columns);
      }
    });
  });
}

constexpr Operation kOperations[] = {
    {"matmul",
     matmul,
     2,
     2,
     {{"transpose_a", AttributeType::kFlag, true}, {"transpose_b", AttributeType::kFlag, true}}},
};

}  // namespace

Operations matmul_operations() { return all_of(kOperations); }

}  // namespace bcq::graph
