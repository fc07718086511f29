#include "core/lookup/lookup.h"

#include <cstring>

#include "core/isa/instruction_set.h"
#include "core/lookup/job.h"

namespace {

using namespace bcq;
using namespace bcq::lookups;

constexpr double kPerRow = 2, kPerLevel = .04; /* nanoseconds, roughly */

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

}  // namespace

bcq_status bcq_uniform_rows(const bcq_uniform* table, bcq_ids ids, int64_t count, float* out,
                            int64_t* bad, bcq_parallel parallel) {
  if (!valid_table(table) || !bad) return BCQ_BAD_ARGUMENT;
  if (!valid_ids(ids, count, table->columns, out)) return BCQ_BAD_ARGUMENT;
  Job job{table, nullptr, table->rows, ids, count, out};
  const double cost = kPerRow + kPerLevel * static_cast<double>(table->columns);
  run(parallel, count, cost, [&](int64_t begin, int64_t end) { uniform_rows(job, begin, end); });
  return finish(job, bad);
}

bcq_status bcq_compositional_rows(const bcq_compositional* table, bcq_ids ids, int64_t count,
                                  float* out, int64_t* bad, bcq_parallel parallel) {
  if (!valid_table(table) || !table->codebooks || !bad) return BCQ_BAD_ARGUMENT;
  if (!valid_ids(ids, count, table->columns, out)) return BCQ_BAD_ARGUMENT;
  Job job{nullptr, table, table->rows, ids, count, out};
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
