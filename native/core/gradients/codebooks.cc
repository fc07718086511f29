#include <algorithm>
#include <cstring>

#include "core/gradients/gradients.h"
#include "core/isa/instruction_set.h"
#include "core/lookup/job.h"

namespace {

using namespace bcq;
using namespace bcq::lookups;

struct Sums : Job {
  const float* dout;
  int64_t codebook_parts; /* that the work is cut into, for each strip */
};

/* One part of the work: a strip of the columns, of some codebooks. */
struct Part {
  int64_t column, columns, first_book, last_book;
};

/* Adds to sums [vectors of these codebooks][stride]. */
void add_rows(Sums& job, const Part& part, int32_t* vectors, float* sums, int64_t stride) {
  const bcq_compositional& table = *job.compositional;
  for (int64_t first = 0; first < job.count; first += kBlock) {
    const int64_t last = smaller(first + kBlock, job.count);
    if (!read_indexes(job, first, last, vectors)) return;
    isa().gradients->scatter(&table, vectors, last - first, part.first_book, part.last_book,
                             part.columns, job.dout + first * table.columns + part.column, sums,
                             stride);
  }
}

void add_part(Sums& job, const Part& part, int32_t* vectors) {
  const bcq_compositional& table = *job.compositional;
  const int64_t first = part.first_book * table.entries, last = part.last_book * table.entries;
  const size_t bytes = part.columns * sizeof(float);
  const Floats packed =
      worth_packing(job, last - first) ? aligned_floats((last - first) * kStrip) : nullptr;
  float* to = job.to + first * table.columns + part.column;
  if (packed == nullptr) {
    for (int64_t v = 0; v < last - first; ++v) std::memset(to + v * table.columns, 0, bytes);
    return add_rows(job, part, vectors, to, table.columns);
  }
  std::memset(packed.get(), 0, (last - first) * kStrip * sizeof(float));
  add_rows(job, part, vectors, packed.get(), kStrip);
  for (int64_t v = 0; v < last - first; ++v) {
    std::memcpy(to + v * table.columns, packed.get() + v * kStrip, bytes);
  }
}

void add(Sums& job, int64_t begin, int64_t end) {
  const bcq_compositional& table = *job.compositional;
  const Indexes vectors = memory_of_indexes(job);
  if (vectors == nullptr) return;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t column = item / job.codebook_parts * kStrip, part = item % job.codebook_parts;
    const int64_t first = part * table.count / job.codebook_parts;
    const int64_t last = (part + 1) * table.count / job.codebook_parts;
    add_part(job, {column, smaller(kStrip, table.columns - column), first, last}, vectors.get());
  }
}

}  // namespace

bcq_status bcq_compositional_gradient(const bcq_compositional* table, bcq_ids ids, int64_t count,
                                      const float* dout, float* dcodebooks, int64_t* bad,
                                      bcq_parallel parallel) {
  if (!valid_table(table) || !dcodebooks || !bad) return BCQ_BAD_ARGUMENT;
  if (!valid_ids(ids, count, table->columns, dout)) return BCQ_BAD_ARGUMENT;
  const int64_t threads = parallel.run == nullptr ? 1 : std::max(parallel.threads, 1);
  const int64_t wanted = smaller(divide_up(threads, strips(table)), table->count);
  Sums job{{nullptr, table, table->rows, ids, count, dcodebooks}, dout, wanted};
  const int64_t items = strips(table) * wanted;
  const double cost = summands(table) * static_cast<double>(count + table->entries);
  run(parallel, items, kPerSummand * cost / static_cast<double>(items),
      [&](int64_t begin, int64_t end) { add(job, begin, end); });
  return finish(job, bad);
}
