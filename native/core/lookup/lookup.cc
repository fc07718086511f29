#include "core/lookup/lookup.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>

#include "core/isa/instruction_set.h"
#include "core/memory.h"

namespace {

using namespace bcq;

constexpr int64_t kBlock = kLookupRows;
constexpr int64_t kMostPacked = 1 << 22; /* bytes */
constexpr int64_t kWorthPacking = 4;     /* times that an entry is used, on average */
constexpr double kPerRow = 2, kPerLevel = .04, kPerSummand = .04; /* nanoseconds, roughly */

using Indexes = Memory<int32_t>;
using Floats = Memory<float>;

/* In whole cache lines; `count` is a multiple of 16. */
Floats aligned_floats(int64_t count) {
  return Floats(static_cast<float*>(std::aligned_alloc(64, count * sizeof(float))));
}

struct Job {
  const bcq_uniform* uniform;
  const bcq_compositional* compositional;
  int64_t rows; /* of the table */
  bcq_ids ids;
  int64_t count;
  const float* dout;
  float* to;
  int64_t codebook_parts = 1; /* that the gradient's work is cut into, for each strip */
  float* packed = nullptr;    /* the codebooks, where that pays */
  FirstBad bad{};
  std::atomic<bcq_status> status{BCQ_OK};
};

/* The ids from `first` to `last` - 1, at most kBlock. False: one of them is no row. */
bool read_ids(Job& job, int64_t first, int64_t last, int64_t* rows) {
  for (int64_t i = first; i < last; ++i) {
    const int64_t id = id_at(job.ids, i);
    if (static_cast<uint64_t>(id) >= static_cast<uint64_t>(job.rows)) {
      job.bad.report(i);
      return false;
    }
    rows[i - first] = id;
  }
  return true;
}

bool marked(const uint8_t* marks, int64_t row) { return marks[row / 8] >> row % 8 & 1; }

void uniform_rows(Job& job, int64_t begin, int64_t end) {
  const bcq_uniform& table = *job.uniform;
  int64_t rows[kBlock];
  for (int64_t first = begin; first < end; first += kBlock) {
    const int64_t last = smaller(first + kBlock, end);
    if (!read_ids(job, first, last, rows)) return;
    float* out = job.to + first * table.columns;
    isa().lookup->levels(&table, rows, last - first, out);
    if (table.zero_rows == nullptr) continue;
    for (int64_t i = 0; i < last - first; ++i) {
      if (!marked(table.zero_rows, rows[i])) continue;
      std::memset(out + i * table.columns, 0, table.columns * sizeof(float));
    }
  }
}

Indexes memory_of_indexes(Job& job) {
  const int64_t bytes = kBlock * index_stride(job.compositional) * sizeof(int32_t);
  Indexes memory(static_cast<int32_t*>(std::malloc(bytes)));
  if (memory == nullptr) job.status = BCQ_NO_MEMORY;
  return memory;
}

/* False: an id is no row, or an index too large. */
bool read_indexes(Job& job, int64_t first, int64_t last, int32_t* vectors) {
  int64_t rows[kBlock];
  if (!read_ids(job, first, last, rows)) return false;
  if (isa().lookup->indexes(job.compositional, rows, last - first, vectors)) return true;
  job.status = BCQ_BAD_ARGUMENT;
  return false;
}

void compositional_rows(Job& job, int64_t begin, int64_t end) {
  const Indexes vectors = memory_of_indexes(job);
  if (vectors == nullptr) return;
  for (int64_t first = begin; first < end; first += kBlock) {
    const int64_t last = smaller(first + kBlock, end);
    if (!read_indexes(job, first, last, vectors.get())) return;
    isa().lookup->sum(job.compositional, vectors.get(), last - first, job.packed,
                      job.to + first * job.compositional->columns);
  }
}

/* Whether each entry of so many vectors is used often enough, and they are not too many. */
bool worth_packing(const Job& job, int64_t vectors) {
  const int64_t strip_bytes = kStrip * sizeof(float);
  return job.compositional->columns >= 16 && vectors <= kMostPacked / strip_bytes &&
         job.count / kWorthPacking >= job.compositional->entries;
}

/* One part of the gradient: a strip of the columns, of some codebooks. */
struct Part {
  int64_t column, columns, first_book, last_book;
};

/* Adds to sums [vectors of these codebooks][stride]. */
void add_rows(Job& job, const Part& part, int32_t* vectors, float* sums, int64_t stride) {
  const bcq_compositional& table = *job.compositional;
  for (int64_t first = 0; first < job.count; first += kBlock) {
    const int64_t last = smaller(first + kBlock, job.count);
    if (!read_indexes(job, first, last, vectors)) return;
    isa().lookup->scatter(&table, vectors, last - first, part.first_book, part.last_book,
                          part.columns, job.dout + first * table.columns + part.column, sums,
                          stride);
  }
}

void add_part(Job& job, const Part& part, int32_t* vectors) {
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

void add(Job& job, int64_t begin, int64_t end) {
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

bcq_status finish(const Job& job, int64_t* bad) {
  return job.bad.tell(bad) ? BCQ_BAD_ID : job.status.load();
}

/* Whether an array may be [rows, columns]; both not negative. */
bool countable(int64_t rows, int64_t columns) {
  int64_t elements;
  return !__builtin_mul_overflow(rows, columns, &elements) && elements <= BCQ_MOST_ELEMENTS;
}

bool valid_ids(const bcq_ids& ids, int64_t count, int64_t columns, const void* values) {
  if ((ids.bytes != 4 && ids.bytes != 8) || count < 0) return false;
  return countable(count, columns) && (count == 0 || (ids.data && values));
}

bool valid_table(const bcq_uniform* t) {
  if (t == nullptr || t->rows < 0 || t->columns < 1 || t->bits < 1 || t->bits > 8) return false;
  return countable(t->rows, t->columns) && (t->rows == 0 || t->packed);
}

bool valid_table(const bcq_compositional* t) {
  if (t == nullptr || t->rows < 0 || t->count < 1 || t->columns < 1) return false;
  if (t->bits < 1 || t->bits > 16 || t->entries < 1 || t->entries > 1 << t->bits) return false;
  if (t->count > INT32_MAX / t->entries || !countable(t->count * t->entries, t->columns)) {
    return false;
  }
  if (t->type != BCQ_FLOAT32 && t->type != BCQ_FLOAT16) return false;
  return countable(t->rows, t->count) && (t->rows == 0 || t->packed);
}

double summands(const bcq_compositional* table) {
  return static_cast<double>(table->count) * static_cast<double>(table->columns);
}

}  // namespace

bcq_status bcq_uniform_rows(const bcq_uniform* table, bcq_ids ids, int64_t count, float* out,
                            int64_t* bad, bcq_parallel parallel) {
  if (!valid_table(table) || !bad) return BCQ_BAD_ARGUMENT;
  if (!valid_ids(ids, count, table->columns, out)) return BCQ_BAD_ARGUMENT;
  Job job{table, nullptr, table->rows, ids, count, nullptr, out};
  const double cost = kPerRow + kPerLevel * static_cast<double>(table->columns);
  run(parallel, count, cost, [&](int64_t begin, int64_t end) { uniform_rows(job, begin, end); });
  return finish(job, bad);
}

bcq_status bcq_compositional_rows(const bcq_compositional* table, bcq_ids ids, int64_t count,
                                  float* out, int64_t* bad, bcq_parallel parallel) {
  if (!valid_table(table) || !table->codebooks || !bad) return BCQ_BAD_ARGUMENT;
  if (!valid_ids(ids, count, table->columns, out)) return BCQ_BAD_ARGUMENT;
  Job job{nullptr, table, table->rows, ids, count, nullptr, out};
  Floats packed;
  if (worth_packing(job, strips(table) * all_vectors(table))) {
    packed = aligned_floats(strips(table) * all_vectors(table) * kStrip);
  }
  if (packed != nullptr) {
    job.packed = packed.get();
    const double strip_cost = kPerSummand * static_cast<double>(all_vectors(table) * kStrip);
    run(parallel, strips(table), strip_cost, [&](int64_t begin, int64_t end) {
      for (int64_t strip = begin; strip < end; ++strip) {
        isa().lookup->pack(table, strip, job.packed + strip * all_vectors(table) * kStrip);
      }
    });
  }
  run(parallel, count, kPerRow + kPerSummand * summands(table),
      [&](int64_t begin, int64_t end) { compositional_rows(job, begin, end); });
  return finish(job, bad);
}

bcq_status bcq_compositional_gradient(const bcq_compositional* table, bcq_ids ids, int64_t count,
                                      const float* dout, float* dcodebooks, int64_t* bad,
                                      bcq_parallel parallel) {
  if (!valid_table(table) || !dcodebooks || !bad) return BCQ_BAD_ARGUMENT;
  if (!valid_ids(ids, count, table->columns, dout)) return BCQ_BAD_ARGUMENT;
  const int64_t threads = parallel.run == nullptr ? 1 : std::max(parallel.threads, 1);
  const int64_t wanted = smaller(divide_up(threads, strips(table)), table->count);
  Job job{nullptr, table, table->rows, ids, count, dout, dcodebooks, wanted};
  const int64_t items = strips(table) * wanted;
  const double cost = summands(table) * static_cast<double>(count + table->entries);
  run(parallel, items, kPerSummand * cost / static_cast<double>(items),
      [&](int64_t begin, int64_t end) { add(job, begin, end); });
  return finish(job, bad);
}
