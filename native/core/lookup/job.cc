#include "core/lookup/job.h"

#include "core/isa/instruction_set.h"

namespace bcq::lookups {

namespace {

constexpr int64_t kMostPacked = 1 << 22; /* bytes */
constexpr int64_t kWorthPacking = 4;     /* times that an entry is used, on average */

/* Whether an array may be [rows, columns]; both not negative. */
bool countable(int64_t rows, int64_t columns) {
  int64_t elements;
  return !__builtin_mul_overflow(rows, columns, &elements) && elements <= BCQ_MOST_ELEMENTS;
}

}  // namespace

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

Indexes memory_of_indexes(Job& job) {
  const int64_t bytes = kBlock * index_stride(job.compositional) * sizeof(int32_t);
  Indexes memory(static_cast<int32_t*>(std::malloc(bytes)));
  if (memory == nullptr) job.status = BCQ_NO_MEMORY;
  return memory;
}

bool read_indexes(Job& job, int64_t first, int64_t last, int32_t* vectors) {
  int64_t rows[kBlock];
  if (!read_ids(job, first, last, rows)) return false;
  if (isa().lookup->indexes(job.compositional, rows, last - first, vectors)) return true;
  job.status = BCQ_BAD_ARGUMENT;
  return false;
}

bool worth_packing(const Job& job, int64_t vectors) {
  const int64_t strip_bytes = kStrip * sizeof(float);
  return job.compositional->columns >= 16 && vectors <= kMostPacked / strip_bytes &&
         job.count / kWorthPacking >= job.compositional->entries;
}

bcq_status finish(const Job& job, int64_t* bad) {
  return job.bad.tell(bad) ? BCQ_BAD_ID : job.status.load();
}

}  // namespace bcq::lookups
