/* What look-ups and their gradients share: a call's arguments, and how it came out. */
#ifndef BCQ_CORE_LOOKUP_JOB_H_
#define BCQ_CORE_LOOKUP_JOB_H_

#include <atomic>
#include <cstdlib>

#include "core/lookup/kernels.h"
#include "core/memory.h"

namespace bcq::lookups {

constexpr int64_t kBlock = kLookupRows;
constexpr double kPerSummand = .04; /* nanoseconds, roughly */

using Indexes = Memory<int32_t>;
using Floats = Memory<float>;

/* In whole cache lines; `count` is a multiple of 16. */
inline Floats aligned_floats(int64_t count) {
  return Floats(static_cast<float*>(std::aligned_alloc(64, count * sizeof(float))));
}

struct Job {
  const bcq_uniform* uniform;
  const bcq_compositional* compositional;
  int64_t rows; /* of the table */
  bcq_ids ids;
  int64_t count;
  float* to;
  float* packed = nullptr; /* the codebooks, where that pays */
  FirstBad bad{};
  std::atomic<bcq_status> status{BCQ_OK};
};

/* Whether the sizes and pointers keep the rules of lookup.h. */
bool valid_table(const bcq_uniform* table);
bool valid_table(const bcq_compositional* table);
bool valid_ids(const bcq_ids& ids, int64_t count, int64_t columns, const void* values);

/* The ids from `first` to `last` - 1, at most kBlock. False: one of them is no row. */
bool read_ids(Job& job, int64_t first, int64_t last, int64_t* rows);

/* Room for the indexes of kBlock rows; NULL: there is none, and the job says so. */
Indexes memory_of_indexes(Job& job);

/* False: an id is no row, or an index too large. */
bool read_indexes(Job& job, int64_t first, int64_t last, int32_t* vectors);

/* Whether each entry of so many vectors is used often enough, and they are not too many. */
bool worth_packing(const Job& job, int64_t vectors);

/* Numbers that are added for each row. */
inline double summands(const bcq_compositional* table) {
  return static_cast<double>(table->count) * static_cast<double>(table->columns);
}

bcq_status finish(const Job& job, int64_t* bad);

}  // namespace bcq::lookups

#endif
