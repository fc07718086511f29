#include "core/product/product.h"

#include "core/isa/instruction_set.h"
#include "core/scratch.h"

namespace {

using namespace bcq;

constexpr int64_t kLine = 64;

int64_t round_up(int64_t bytes) { return divide_up(bytes, kLine) * kLine; }

const ProductMethod& choose_method(const bcq_matrix* m, bcq_precision precision, int64_t batch) {
  const ProductMethod& look_up = isa().product->look_up[precision];
  if (isa().batch == nullptr) return look_up;
  const ProductMethod& many = isa().batch->method[precision];
  return batch >= many.least_batch && m->bits <= many.most_bits ? many : look_up;
}

/* Sizes for `batch` rows of x, in blocks of about the same number, at most `block`; memory is given
 * later. */
Tables plan(const bcq_matrix* m, const ProductMethod& method, int64_t batch, int64_t block) {
  Tables t = {};
  t.batch = batch;
  t.block = divide_up(batch, divide_up(batch, block));
  t.tiles = divide_up(words_per_row(m), kTileWords);
  method.plan(m, &t);
  return t;
}

/* The same for as many rows of x, of `batch`, as fit the bytes, in the largest blocks that do. */
Tables plan_at_once(const bcq_matrix* m, const ProductMethod& method, int64_t batch) {
  int64_t block = smaller(batch, method.most_block);
  const auto bytes = [&] { return plan(m, method, block, block).bytes_size; };
  while (block > method.least_block && bytes() > method.most_bytes) block = divide_up(block, 2);
  const int64_t blocks = method.most_bytes / bytes();
  return plan(m, method, smaller(batch, blocks > 1 ? blocks * block : block), block);
}

/* Gives the tables their places in memory, and tells how much it is; of NULL that alone. */
int64_t lay_out(Tables* t, char* memory) {
  int64_t size = 0;
  const auto next = [&](int64_t bytes) {
    char* const place = memory == nullptr ? nullptr : memory + size;
    size += round_up(bytes);
    return static_cast<void*>(place);
  };
  t->bytes = static_cast<uint8_t*>(next(t->bytes_size));
  t->weights = static_cast<uint32_t*>(next(t->batch * t->row_weights * 4));
  const auto units = static_cast<int64_t>(t->batch * t->tiles * sizeof(double));
  t->units = static_cast<double*>(next(units));
  t->sums = static_cast<double*>(next(units * kTileWords));
  t->finite = static_cast<uint8_t*>(next(t->batch * t->tiles));
  return size;
}

constexpr double kTableNanoseconds = .5; /* to make the tables of an input, roughly */

/* The tables of rows of x. Items: K tiles of rows of x. */
void prepare(const bcq_matrix* m, const ProductMethod& method, bcq_type type, const void* x,
             const Tables& t, const bcq_parallel& parallel) {
  run(parallel, t.batch * t.tiles, kTableNanoseconds * kTileWords * kWordBits,
      [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const void* row = element(x, type, i / t.tiles * m->columns);
          method.prepare(m, type, row, i / t.tiles, i % t.tiles, &t);
        }
      });
}

/* y from the tables. Items: row tiles, for one block of rows of x after the other. */
void multiply(const bcq_matrix* m, const ProductMethod& method, bcq_type type, const void* x,
              const Tables& t, void* y, const bcq_parallel& parallel) {
  const int64_t tiles = row_tiles(m), blocks = divide_up(t.batch, t.block);
  const double signs = static_cast<double>(t.block) * static_cast<double>(m->columns) * m->bits;
  run(parallel, blocks * tiles, signs * method.sign_nanoseconds, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t tile = begin % tiles, row = begin / tiles * t.block;
      const int64_t count = smaller(smaller(method.most_tiles, tiles - tile), end - begin);
      method.multiply(m, &t, type, x, y, row, smaller(t.block, t.batch - row), tile, count);
      begin += count;
    }
  });
}

}  // namespace

bcq_status bcq_product(const bcq_matrix* matrix, bcq_precision precision, bcq_type type,
                       const void* x, int64_t batch, void* y, bcq_parallel parallel) {
  if (!valid(matrix, type) || batch < 0) return BCQ_BAD_ARGUMENT;
  if (precision != BCQ_EXACT && precision != BCQ_FAST) return BCQ_BAD_ARGUMENT;
  if (!rows_paired(matrix)) return BCQ_BAD_ROWS;
  if (batch == 0) return BCQ_OK;
  if (x == nullptr || y == nullptr) return BCQ_BAD_ARGUMENT;
  const ProductMethod& method = choose_method(matrix, precision, batch);
  Tables tables = plan_at_once(matrix, method, batch);
  const Scratch memory(lay_out(&tables, nullptr));
  if (memory.data() == nullptr) return BCQ_NO_MEMORY;
  lay_out(&tables, memory.data());
  const int64_t most = tables.batch;
  for (int64_t row = 0; row < batch; row += most) {
    const void* from = element(x, type, row * matrix->columns);
    tables.batch = smaller(most, batch - row);
    prepare(matrix, method, type, from, tables, parallel);
    multiply(matrix, method, type, from, tables, element(y, type, row * matrix->rows), parallel);
  }
  return BCQ_OK;
}
