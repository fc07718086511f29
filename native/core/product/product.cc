#include "core/product/product.h"

#include <atomic>

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
constexpr bcq_parallel kAlone = {nullptr, nullptr, 1};

/* Rows of x times the matrix, each row of y of `matrix->rows`. */
struct Product {
  const bcq_matrix* matrix;
  const ProductMethod& method;
  bcq_type type;
  const void* x;
  int64_t batch;
  void* y;

  /* What a row tile costs for `rows` rows of x, in nanoseconds. */
  double tile_nanoseconds(int64_t rows) const {
    const double signs = static_cast<double>(matrix->columns) * matrix->bits;
    return static_cast<double>(rows) * signs * method.sign_nanoseconds;
  }
};

struct Range {
  int64_t begin, end;
};

/* The tables of rows of x from `first` on. Items: K tiles of rows of x. */
void prepare(const Product& p, int64_t first, const Tables& t, const bcq_parallel& parallel) {
  run(parallel, t.batch * t.tiles, kTableNanoseconds * kTileWords * kWordBits,
      [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t row = first + i / t.tiles;
          const void* x = element(p.x, p.type, row * p.matrix->columns);
          p.method.prepare(p.matrix, p.type, x, i / t.tiles, i % t.tiles, &t);
        }
      });
}

/* y of row tiles from the tables. Items: row tiles, for one block of rows of x after the other. */
void multiply(const Product& p, int64_t first, const Tables& t, Range tiles,
              const bcq_parallel& parallel) {
  const int64_t each = tiles.end - tiles.begin, blocks = divide_up(t.batch, t.block);
  const void* x = element(p.x, p.type, first * p.matrix->columns);
  void* const y = element(p.y, p.type, first * p.matrix->rows);
  run(parallel, blocks * each, p.tile_nanoseconds(t.block), [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t tile = begin % each, row = begin / each * t.block;
      const int64_t count = smaller(smaller(p.method.most_tiles, each - tile), end - begin);
      p.method.multiply(p.matrix, &t, p.type, x, y, row, smaller(t.block, t.batch - row),
                        tiles.begin + tile, count);
      begin += count;
    }
  });
}

bcq_status multiply_tiles(const Product& p, Range tiles, const bcq_parallel& parallel) {
  Tables tables = plan_at_once(p.matrix, p.method, p.batch);
  const Scratch memory(lay_out(&tables, nullptr));
  if (memory.data() == nullptr) return BCQ_NO_MEMORY;
  lay_out(&tables, memory.data());
  const int64_t most = tables.batch;
  for (int64_t row = 0; row < p.batch; row += most) {
    tables.batch = smaller(most, p.batch - row);
    prepare(p, row, tables, parallel);
    multiply(p, row, tables, tiles, parallel);
  }
  return BCQ_OK;
}

/* Of a product that takes so little that a thread makes tables of its own sooner than it gets those
 * of another one: how many threads, each with as many row tiles. */
int64_t shares_of(const Product& p, int32_t threads) {
  constexpr double kLeast = 2500, kMost = 100000; /* nanoseconds of a share */
  const int64_t tiles = row_tiles(p.matrix);
  const double all = p.tile_nanoseconds(p.batch) * static_cast<double>(tiles);
  const int64_t most = smaller(threads, tiles);
  if (all >= kMost * static_cast<double>(most)) return 1;
  return smaller(most, static_cast<int64_t>(all / kLeast));
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
  const Product product = {matrix, method, type, x, batch, y};
  const int64_t tiles = row_tiles(matrix), shares = shares_of(product, parallel.threads);
  if (shares <= 1) return multiply_tiles(product, {0, tiles}, parallel);
  std::atomic<bcq_status> status{BCQ_OK};
  const double each = product.tile_nanoseconds(batch) * static_cast<double>(tiles / shares);
  run(parallel, shares, each, [&](int64_t begin, int64_t end) {
    const Range own = {begin * tiles / shares, end * tiles / shares};
    if (multiply_tiles(product, own, kAlone) != BCQ_OK) status = BCQ_NO_MEMORY;
  });
  return status;
}
