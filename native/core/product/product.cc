#include "core/product/product.h"

#include <cstdlib>

#include "core/export.h"
#include "core/memory.h"
#include "core/isa/instruction_set.h"

namespace {

using namespace bcq;

constexpr int64_t kMostBytes = int64_t{512} << 10;  // of tables that are made at one time
constexpr int64_t kLine = 64;

/* A product for as many rows of x as there are tables for. */
struct Job {
  const bcq_matrix* matrix;
  bcq_type type;
  Tables tables;
  const void* x; /* of the first row */
  void* y;
  int64_t batch;

  int64_t batch_blocks() const { return divide_up(batch, kBlockBatch); }
};

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
  const int64_t bytes = round_up(batch * t->row_bytes), weights = round_up(batch * t->row_weights * 4);
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

/* Items: K tiles of rows of x. */
void prepare(void* argument, int64_t begin, int64_t end) {
  const Job& job = *static_cast<const Job*>(argument);
  const int64_t tiles = job.tables.tiles;
  for (int64_t i = begin; i < end; ++i) {
    const void* x = element(job.x, job.type, i / tiles * job.matrix->columns);
    isa().product->prepare(job.matrix, job.type, x, i / tiles, i % tiles, &job.tables);
  }
}

/* Items: row tiles, for one block of rows of x after the other. */
void multiply(void* argument, int64_t begin, int64_t end) {
  const Job& job = *static_cast<const Job*>(argument);
  const int64_t tiles = row_tiles(job.matrix);
  while (begin < end) {
    const int64_t tile = begin % tiles, row = begin / tiles * kBlockBatch;
    const int64_t count = smaller(smaller(kBlockTiles, tiles - tile), end - begin);
    isa().product->multiply(job.matrix, &job.tables, job.type, job.x, job.y, row,
                       smaller(kBlockBatch, job.batch - row), tile, count);
    begin += count;
  }
}

/* Rough costs: of making the tables of an input, and of 64 signs. */
constexpr double kTableNanoseconds = .5;
double sign_nanoseconds(bcq_precision precision) { return precision == BCQ_EXACT ? .4 : .2; }

void run_product(Job* job, const bcq_parallel& parallel) {
  const bcq_matrix* m = job->matrix;
  const Tables& t = job->tables;
  run(parallel, job->batch * t.tiles, kTableNanoseconds * kTileWords * kWordBits, prepare, job);
  const int64_t tiles = row_tiles(m);
  const double rows = static_cast<double>(job->batch) / job->batch_blocks();
  const double signs = rows * static_cast<double>(m->columns) * m->bits;
  run(parallel, job->batch_blocks() * tiles, signs * sign_nanoseconds(t.precision), multiply, job);
}

}  // namespace

extern "C" BCQ_EXPORT bcq_status bcq_product(const bcq_matrix* matrix, bcq_precision precision,
                                             bcq_type type, const void* x, int64_t batch, void* y,
                                             bcq_parallel parallel) {
  if (!valid(matrix, type) || batch < 0) return BCQ_BAD_ARGUMENT;
  if (precision != BCQ_EXACT && precision != BCQ_FAST) return BCQ_BAD_ARGUMENT;
  if (!rows_paired(matrix)) return BCQ_BAD_ROWS;
  if (batch == 0) return BCQ_OK;
  if (x == nullptr || y == nullptr) return BCQ_BAD_ARGUMENT;
  Job job = {matrix, type, plan(matrix, precision), x, y, 0};
  const int64_t fitting = kMostBytes / job.tables.row_bytes / kBlockBatch * kBlockBatch;
  const int64_t most = smaller(batch, fitting > 0 ? fitting : 1);
  const Memory<> memory = allocate(&job.tables, most);
  if (memory == nullptr) return BCQ_NO_MEMORY;
  for (int64_t row = 0; row < batch; row += most) {
    job.x = element(x, type, row * matrix->columns);
    job.y = element(y, type, row * matrix->rows);
    job.batch = smaller(most, batch - row);
    run_product(&job, parallel);
  }
  return BCQ_OK;
}
