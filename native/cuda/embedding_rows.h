/* Rows of one of several embedding tables by their ids, and the gradient of the table. */
#ifndef BCQ_CUDA_EMBEDDING_ROWS_H_
#define BCQ_CUDA_EMBEDDING_ROWS_H_

#include "core/embedding/embedding.h"
#include "found.h"

namespace bcq_cuda {

constexpr int kSumColumns = 32;  /* of the table, that a block of the gradient owns: a lane each */
constexpr int kInFlight = 8;     /* rows that a warp loads before it adds them */

struct TableArguments {
  bcq_ids ids;      /* of row n of the batch: number n * id_stride */
  int64_t id_stride;
  int64_t batch;
  int64_t size;
  int64_t columns;    /* of the table */
  int64_t row_stride; /* from one row of the batch to the next, in elements */
  int type;
  const void* table; /* the table, or dout: its columns of the batch's rows */
  int64_t from;      /* element of `table` with which it begins */
  void* out;         /* the rows, or the table's gradient */
  int64_t to;        /* element of `out` with which it begins */
  float* sums;       /* [slices][size][columns], where that is not `out` */
  int64_t slices;    /* ranges of the batch, each with sums of its own */
  int64_t tile_rows; /* of the table, that a block of the gradient owns */
};

BCQ_DEVICE int64_t id_of(const TableArguments& a, int64_t n) {
  const int64_t index = n * a.id_stride;
  return a.ids.bytes == 4 ? load(static_cast<const int32_t*>(a.ids.data) + index)
                          : load(static_cast<const int64_t*>(a.ids.data) + index);
}

BCQ_DEVICE bool is_row(const TableArguments& a, int64_t id) { return id >= 0 && id < a.size; }

/* A thread: one element of the result. 256 threads. */
BCQ_KERNEL(256) tables_gather_kernel(BCQ_ARGUMENTS(TableArguments) a) {
  const int64_t stride = block_count() * thread_count();
  for (int64_t i = block_index() * thread_count() + thread_index(); i < a.batch * a.columns;
       i += stride) {
    const int64_t n = i / a.columns, column = i % a.columns, id = id_of(a, n);
    const float value = is_row(a, id)
                            ? load_as_float(a.table, a.type, a.from + id * a.columns + column)
                            : float_of(0x7fc00000u);
    store_as(a.out, a.type, a.to + n * a.row_stride + column, value);
  }
}

/* A thread: one element of dout, added to the sums in any order. 256 threads. */
BCQ_KERNEL(256) tables_add_kernel(BCQ_ARGUMENTS(TableArguments) a) {
  const int64_t stride = block_count() * thread_count();
  for (int64_t i = block_index() * thread_count() + thread_index(); i < a.batch * a.columns;
       i += stride) {
    const int64_t n = i / a.columns, column = i % a.columns, id = id_of(a, n);
    if (!is_row(a, id)) continue;
    const float value = load_as_float(a.table, a.type, a.from + n * a.row_stride + column);
    atomic_add(a.sums + id * a.columns + column, value);
  }
}

/* A thread: one element of the table, the slices' sums one after the other. 256 threads. */
BCQ_KERNEL(256) tables_round_kernel(BCQ_ARGUMENTS(TableArguments) a) {
  const int64_t stride = block_count() * thread_count(), elements = a.size * a.columns;
  for (int64_t i = block_index() * thread_count() + thread_index(); i < elements; i += stride) {
    float sum = 0.0f;
    for (int64_t slice = 0; slice < a.slices; ++slice) {
      sum = add(sum, a.sums[slice * elements + i]);
    }
    store_as(a.out, a.type, a.to + i, sum);
  }
}

/* What a block of the gradient owns. */
struct SumTile {
  int64_t first_row, first_column, first, last; /* of the table; rows of the batch */
};

BCQ_DEVICE SumTile sum_tile(const TableArguments& a) {
  const int64_t column_tiles = rounded_up(a.columns, kSumColumns);
  const int64_t tile = block_index() / a.slices, slice = block_index() % a.slices;
  const int64_t part = rounded_up(rounded_up(a.batch, a.slices), kFoundIds) * kFoundIds;
  return {tile / column_tiles * a.tile_rows, tile % column_tiles * kSumColumns,
          least(slice * part, a.batch), least((slice + 1) * part, a.batch)};
}

/* Shared memory: the sums [tile_rows][32], then what `list_found` tells. */
BCQ_HD int64_t sum_shared_bytes(int64_t tile_rows) {
  return 4 * (tile_rows * kSumColumns + kFoundWords);
}

/* Of 256 rows of the batch those whose ids are in the tile, in order. Returns how many. */
BCQ_DEVICE int find_table_ids(const TableArguments& a, const SumTile& tile, int64_t first,
                              int* found) {
  const int64_t n = first + thread_index();
  const int64_t id = n < tile.last ? id_of(a, n) : -1;
  const int64_t row = id - tile.first_row;
  const bool here = is_row(a, id) && row >= 0 && row < a.tile_rows;
  return list_found(here, static_cast<int>(row), found);
}

/* Adds the rows of dout that were found to this warp's rows of the sums, every eighth. */
BCQ_DEVICE void add_found(const TableArguments& a, const SumTile& tile, int64_t first,
                          const int* found, int count, float* sums) {
  const int *places = found, *rows = found + kFoundIds;
  const int64_t column = tile.first_column + lane_index();
  for (int f = 0; f < count; f += kInFlight) {
    float values[kInFlight];
    BCQ_UNROLL
    for (int i = 0; i < kInFlight; ++i) {
      const bool mine = f + i < count && rows[f + i] % 8 == warp_index() && column < a.columns;
      values[i] = mine ? load_as_float(a.table, a.type,
                                       a.from + (first + places[f + i]) * a.row_stride + column)
                       : 0.0f;
    }
    BCQ_UNROLL
    for (int i = 0; i < kInFlight; ++i) {
      if (f + i < count && rows[f + i] % 8 == warp_index()) {
        float* sum = sums + rows[f + i] * kSumColumns + lane_index();
        *sum = add(*sum, values[i]);
      }
    }
  }
}

/* A block: so many rows and 32 columns of the table, and one slice of the batch. 256 threads. */
BCQ_KERNEL(256) tables_gradient_kernel(BCQ_ARGUMENTS(TableArguments) a) {
  const SumTile tile = sum_tile(a);
  float* sums = static_cast<float*>(shared_memory());
  int* found = reinterpret_cast<int*>(sums + a.tile_rows * kSumColumns);
  for (int64_t i = thread_index(); i < a.tile_rows * kSumColumns; i += thread_count()) sums[i] = 0;
  sync_block();
  for (int64_t first = tile.first; first < tile.last; first += kFoundIds) {
    const int count = find_table_ids(a, tile, first, found);
    add_found(a, tile, first, found, count, sums);
    sync_block();
  }
  const int64_t elements = a.size * a.columns, slice = block_index() % a.slices;
  for (int64_t i = thread_index(); i < a.tile_rows * kSumColumns; i += thread_count()) {
    const int64_t row = tile.first_row + i / kSumColumns;
    const int64_t column = tile.first_column + i % kSumColumns;
    if (row >= a.size || column >= a.columns) continue;
    const int64_t element = row * a.columns + column;
    if (a.slices > 1) {
      a.sums[slice * elements + element] = sums[i];
    } else {
      store_as(a.out, a.type, a.to + element, sums[i]);
    }
  }
}

}  // namespace bcq_cuda

#endif
