#include "core/gather/gather.h"

#include <cstdlib>
#include <cstring>

#include "core/export.h"
#include "core/memory.h"
#include "core/isa/instruction_set.h"

namespace {

using namespace bcq;

struct Job {
  const bcq_matrix* matrix;
  bcq_type type;
  const int64_t* ids;
  void* out;
  const void* dout;
  const int64_t *starts, *places; /* stored row r was asked for at places[starts[r]], ... */
  float *dscales, *doffset;
};

/* The stored row that row `id` of the original matrix is. */
int64_t stored_row(const bcq_matrix* m, int64_t id) {
  return m->row_place == nullptr ? id : m->row_place[id];
}

/* Whether the stored row of `id` is one, and is that of no other id. */
bool paired(const bcq_matrix* m, int64_t id) {
  if (m->row_place == nullptr) return true;
  const int64_t stored = m->row_place[id];
  return stored >= 0 && stored < m->rows && m->row_order[stored] == id;
}

/* The index of the first id that is no row; `count` where there is none. */
int64_t first_bad(const bcq_matrix* m, const int64_t* ids, int64_t count) {
  int64_t i = 0;
  while (i < count && ids[i] >= 0 && ids[i] < m->rows) ++i;
  return i;
}

bcq_status check(const bcq_matrix* m, const int64_t* ids, int64_t count, bcq_type type,
                 const void* rows, int64_t* bad) {
  if (!valid(m, type) || count < 0 || bad == nullptr) return BCQ_BAD_ARGUMENT;
  if (count > 0 && (ids == nullptr || rows == nullptr)) return BCQ_BAD_ARGUMENT;
  const int64_t index = first_bad(m, ids, count);
  if (index < count) {
    *bad = index;
    return BCQ_BAD_ID;
  }
  /* The rows of other ids do not matter, and there may be very many. */
  for (int64_t i = 0; i < count; ++i) {
    if (!paired(m, ids[i])) return BCQ_BAD_ROWS;
  }
  return BCQ_OK;
}

void gather(void* argument, int64_t begin, int64_t end) {
  const Job& job = *static_cast<const Job*>(argument);
  for (int64_t i = begin; i < end; ++i) {
    isa().product->reconstruct_row(job.matrix, stored_row(job.matrix, job.ids[i]), job.type,
                              element(job.out, job.type, i * job.matrix->columns));
  }
}

void scale_gradient(void* argument, int64_t begin, int64_t end) {
  const Job& job = *static_cast<const Job*>(argument);
  for (int64_t row = begin; row < end; ++row) {
    const int64_t count = job.starts[row + 1] - job.starts[row];
    if (count == 0) continue;
    isa().product->row_scale_gradient(job.matrix, row, job.type, job.dout, job.places + job.starts[row],
                                 count, job.dscales, job.doffset);
  }
}

/* Sorts the places of the ids by stored row, in order within each: starts [rows + 1], places
 * [count]. */
void sort_places(const bcq_matrix* m, const int64_t* ids, int64_t count, int64_t* starts,
                 int64_t* places) {
  std::memset(starts, 0, (m->rows + 1) * sizeof(int64_t));
  for (int64_t i = 0; i < count; ++i) ++starts[stored_row(m, ids[i]) + 1];
  for (int64_t r = 0; r < m->rows; ++r) starts[r + 1] += starts[r];
  for (int64_t i = 0; i < count; ++i) places[starts[stored_row(m, ids[i])]++] = i;
  for (int64_t r = m->rows; r > 0; --r) starts[r] = starts[r - 1];
  starts[0] = 0;
}

}  // namespace

extern "C" {

BCQ_EXPORT bcq_status bcq_gather(const bcq_matrix* matrix, const int64_t* ids, int64_t count,
                                 bcq_type type, void* out, int64_t* bad, bcq_parallel parallel) {
  const bcq_status status = check(matrix, ids, count, type, out, bad);
  if (status != BCQ_OK || count == 0) return status;
  Job job = {matrix, type, ids, out, nullptr, nullptr, nullptr, nullptr, nullptr};
  const double weights = static_cast<double>(matrix->columns) * matrix->bits;
  run(parallel, count, .2 * weights, gather, &job);
  return BCQ_OK;
}

BCQ_EXPORT bcq_status bcq_gather_scale_gradient(const bcq_matrix* matrix, const int64_t* ids,
                                                int64_t count, bcq_type type, const void* dout,
                                                float* dscales, float* doffset, int64_t* bad,
                                                bcq_parallel parallel) {
  if (dscales == nullptr) return BCQ_BAD_ARGUMENT;
  const bcq_status status = check(matrix, ids, count, type, dout, bad);
  if (status != BCQ_OK) return status;
  const int64_t rows = matrix->rows, size = groups(matrix) * rows;
  std::memset(dscales, 0, size * matrix->bits * sizeof(float));
  if (doffset != nullptr) std::memset(doffset, 0, size * sizeof(float));
  if (count == 0) return BCQ_OK;
  Memory<> memory(std::malloc((rows + 1 + count) * sizeof(int64_t)));
  if (memory == nullptr) return BCQ_NO_MEMORY;
  int64_t* starts = static_cast<int64_t*>(memory.get());
  int64_t* places = starts + rows + 1;
  sort_places(matrix, ids, count, starts, places);
  Job job = {matrix, type, ids, nullptr, dout, starts, places, dscales, doffset};
  const double weights = static_cast<double>(matrix->columns) * (count + .5 * matrix->bits);
  run(parallel, rows, .3 * weights / rows, scale_gradient, &job);
  return BCQ_OK;
}

}  // extern "C"
