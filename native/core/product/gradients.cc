#include <cstdlib>
#include <cstring>

#include "core/export.h"
#include "core/memory.h"
#include "core/isa/instruction_set.h"

namespace {

using namespace bcq;

/* The gradients of a few rows of the batch. */
struct Job {
  const bcq_matrix* matrix;
  bcq_type type;
  const void *x, *dy;
  int64_t batch;
  float* arranged; /* dy as [row tiles][batch][64] */
  void* dx;
  float *dscales, *doffset;
};

void arrange(void* argument, int64_t begin, int64_t end) {
  const Job& job = *static_cast<const Job*>(argument);
  for (int64_t tile = begin; tile < end; ++tile) {
    isa().product->arrange(job.matrix, job.type, job.dy, job.batch, tile,
                      job.arranged + tile * job.batch * kTileRows);
  }
}

void transposed(void* argument, int64_t begin, int64_t end) {
  const Job& job = *static_cast<const Job*>(argument);
  for (int64_t word = begin; word < end; ++word) {
    isa().product->transposed(job.matrix, job.arranged, job.batch, word, job.type, job.dx);
  }
}

void scale_gradient(void* argument, int64_t begin, int64_t end) {
  const Job& job = *static_cast<const Job*>(argument);
  for (int64_t tile = begin; tile < end; ++tile) {
    isa().product->scale_gradient(job.matrix, job.type, job.x,
                             job.arranged + tile * job.batch * kTileRows, job.batch, tile,
                             job.dscales, job.doffset);
  }
}

/* Arranges dy and runs `task` over its items, for kGradientBatch rows of the batch at a time. */
bcq_status run_batches(Job job, int64_t batch, int64_t items, bcq_task task,
                       const bcq_parallel& parallel) {
  const bcq_matrix* m = job.matrix;
  const int64_t tiles = row_tiles(m), most = smaller(batch, kGradientBatch);
  Memory<> memory(
      std::aligned_alloc(64, tiles * most * kTileRows * sizeof(float)));
  if (memory == nullptr) return BCQ_NO_MEMORY;
  job.arranged = static_cast<float*>(memory.get());
  const double weights = static_cast<double>(tiles * kTileRows) / items * m->columns;
  for (int64_t row = 0; row < batch; row += most) {
    Job part = job;
    part.batch = smaller(most, batch - row);
    part.dy = element(job.dy, job.type, row * m->rows);
    if (job.x != nullptr) part.x = element(job.x, job.type, row * m->columns);
    if (job.dx != nullptr) part.dx = element(job.dx, job.type, row * m->columns);
    run(parallel, tiles, 16.0 * part.batch, arrange, &part);
    run(parallel, items, weights * (.03 * part.batch + .1 * m->bits), task, &part);
  }
  return BCQ_OK;
}

}  // namespace

extern "C" {

BCQ_EXPORT bcq_status bcq_product_transposed(const bcq_matrix* matrix, bcq_type type,
                                             const void* dy, int64_t batch, void* dx,
                                             bcq_parallel parallel) {
  if (!valid(matrix, type) || batch < 0) return BCQ_BAD_ARGUMENT;
  if (!rows_paired(matrix)) return BCQ_BAD_ROWS;
  if (batch == 0) return BCQ_OK;
  if (dy == nullptr || dx == nullptr) return BCQ_BAD_ARGUMENT;
  const Job job = {matrix, type, nullptr, dy, 0, nullptr, dx, nullptr, nullptr};
  return run_batches(job, batch, words_per_row(matrix), transposed, parallel);
}

BCQ_EXPORT bcq_status bcq_product_scale_gradient(const bcq_matrix* matrix, bcq_type type,
                                                 const void* x, const void* dy, int64_t batch,
                                                 float* dscales, float* doffset,
                                                 bcq_parallel parallel) {
  if (!valid(matrix, type) || batch < 0 || dscales == nullptr) return BCQ_BAD_ARGUMENT;
  if (!rows_paired(matrix)) return BCQ_BAD_ROWS;
  if (batch > 0 && (x == nullptr || dy == nullptr)) return BCQ_BAD_ARGUMENT;
  const int64_t size = groups(matrix) * matrix->rows;
  std::memset(dscales, 0, size * matrix->bits * sizeof(float));
  if (doffset != nullptr) std::memset(doffset, 0, size * sizeof(float));
  if (batch == 0) return BCQ_OK;
  const Job job = {matrix, type, x, dy, 0, nullptr, nullptr, dscales, doffset};
  return run_batches(job, batch, row_tiles(matrix), scale_gradient, parallel);
}

}  // extern "C"
