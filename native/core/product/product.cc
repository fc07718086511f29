#include "core/product/product.h"

#include <cstdlib>

#include "core/isa/instruction_set.h"
#include "core/memory.h"

namespace {

using namespace bcq;

constexpr int64_t kMostBytes = int64_t{512} << 10;  // of tables that are made at one time
constexpr int64_t kLine = 64;

int64_t round_up(int64_t bytes) { return divide_up(bytes, kLine) * kLine; }

/* Sizes; memory is given later. */
Tables plan(const bcq_matrix* m, bcq_precision precision) {
  const int64_t words = divide_up(words_per_row(m), 2) * 2;
  Tables t = {};
  t.precision = precision;
  t.tiles = divide_up(words_per_row(m), kTileWords);
  t.row_bytes = words * isa().product->table_bytes[precision];
  t.row_weights = precision == BCQ_FAST ? words * 2 : 0;
  return t;
}

/* Takes `batch` rows' memory for the tables. */
Memory<> allocate(Tables* t, int64_t batch) {
  const int64_t bytes = round_up(batch * t->row_bytes);
  const int64_t weights = round_up(batch * t->row_weights * 4);
  const int64_t units = round_up(batch * t->tiles * sizeof(double));
  const int64_t sums = units * kTileWords, finite = round_up(batch * t->tiles);
  Memory<> memory(std::aligned_alloc(kLine, bytes + weights + units + sums + finite));
  char* at = static_cast<char*>(memory.get());
  if (at == nullptr) return memory;
  t->bytes = reinterpret_cast<uint8_t*>(at);
  t->weights = reinterpret_cast<uint32_t*>(at += bytes);
  t->units = reinterpret_cast<double*>(at += weights);
  t->sums = reinterpret_cast<double*>(at += units);
  t->finite = reinterpret_cast<uint8_t*>(at += sums);
  return memory;
}

constexpr double kTableNanoseconds = .5; /* to make the tables of an input, roughly */

/* The tables of `batch` rows of x. Items: K tiles of rows of x. */
void prepare(const bcq_matrix* m, bcq_type type, const void* x, int64_t batch, const Tables& t,
             const bcq_parallel& parallel) {
  run(parallel, batch * t.tiles, kTableNanoseconds * kTileWords * kWordBits,
      [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const void* row = element(x, type, i / t.tiles * m->columns);
          isa().product->prepare(m, type, row, i / t.tiles, i % t.tiles, &t);
        }
      });
}

/* y from the tables. Items: row tiles, for one block of rows of x after the other. */
void multiply(const bcq_matrix* m, bcq_type type, const void* x, int64_t batch, const Tables& t,
              void* y, const bcq_parallel& parallel) {
  const int64_t tiles = row_tiles(m), blocks = divide_up(batch, kBlockBatch);
  const double rows = static_cast<double>(batch) / blocks;
  const double signs = rows * static_cast<double>(m->columns) * m->bits;
  run(parallel, blocks * tiles, signs * isa().product->sign_nanoseconds[t.precision],
      [&](int64_t begin, int64_t end) {
        while (begin < end) {
          const int64_t tile = begin % tiles, row = begin / tiles * kBlockBatch;
          const int64_t count = smaller(smaller(kBlockTiles, tiles - tile), end - begin);
          isa().product->multiply(m, &t, type, x, y, row, smaller(kBlockBatch, batch - row), tile,
                                  count);
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
  Tables tables = plan(matrix, precision);
  const int64_t fitting = kMostBytes / tables.row_bytes / kBlockBatch * kBlockBatch;
  const int64_t most = smaller(batch, fitting > 0 ? fitting : 1);
  const Memory<> memory = allocate(&tables, most);
  if (memory == nullptr) return BCQ_NO_MEMORY;
  for (int64_t row = 0; row < batch; row += most) {
    const void* from = element(x, type, row * matrix->columns);
    const int64_t rows = smaller(most, batch - row);
    prepare(matrix, type, from, rows, tables, parallel);
    multiply(matrix, type, from, rows, tables, element(y, type, row * matrix->rows), parallel);
  }
  return BCQ_OK;
}
