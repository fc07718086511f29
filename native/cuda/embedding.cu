/* Rows of one of several embedding tables by their ids, and the gradient of the table; a launch or
 * two for each table. */
#include "cuda/embedding.h"

#include "cuda/found.h"
#include "cuda/launch.h"

namespace bcq_cuda {

constexpr int kSumColumns = 32; /* of the table, that a block of the gradient owns: a lane each */
constexpr int kInFlight = 8;    /* rows that a warp loads before it adds them */

struct TableArguments {
  bcq_ids ids; /* of row n of the batch: number n * id_stride */
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

/* A thread: elements of the result. */
BCQ_KERNEL(kThreads) tables_gather_kernel(BCQ_ARGUMENTS(TableArguments) a) {
  for_each(a.batch * a.columns, [&](int64_t i) {
    const int64_t n = i / a.columns, column = i % a.columns, id = id_of(a, n);
    const float value = is_row(a, id)
                            ? load_as_float(a.table, a.type, a.from + id * a.columns + column)
                            : float_of(0x7fc00000u);
    store_as(a.out, a.type, a.to + n * a.row_stride + column, value);
  });
}

/* A thread: elements of dout, added to the sums in any order. */
BCQ_KERNEL(kThreads) tables_add_kernel(BCQ_ARGUMENTS(TableArguments) a) {
  for_each(a.batch * a.columns, [&](int64_t i) {
    const int64_t n = i / a.columns, column = i % a.columns, id = id_of(a, n);
    if (!is_row(a, id)) return;
    const float value = load_as_float(a.table, a.type, a.from + n * a.row_stride + column);
    atomic_add(a.sums + id * a.columns + column, value);
  });
}

/* A thread: elements of the table, the slices' sums one after the other. */
BCQ_KERNEL(kThreads) tables_round_kernel(BCQ_ARGUMENTS(TableArguments) a) {
  const int64_t elements = a.size * a.columns;
  for_each(elements, [&](int64_t i) {
    float sum = 0.0f;
    for (int64_t slice = 0; slice < a.slices; ++slice) {
      sum = add(sum, a.sums[slice * elements + i]);
    }
    store_as(a.out, a.type, a.to + i, sum);
  });
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

namespace {

constexpr int64_t kWantedBlocks = 512; /* so that all multiprocessors have work */
constexpr int64_t kMostSlices = 64;
constexpr int64_t kLargeTable = 1 << 16; /* rows; then blocks own more of them, and read ids less */

bool check_tables(const bcq_tables* tables, bcq_type type, int64_t batch) {
  if (!tables || tables->count < 1 || !tables->sizes || !tables->dims) return false;
  if (!is_type(type) || batch < 0) return false;
  for (int64_t t = 0; t < tables->count; ++t) {
    if (tables->sizes[t] < 0 || tables->sizes[t] > INT32_MAX) return false;
    if (tables->dims[t] < 1 || tables->dims[t] > INT32_MAX) return false;
    if (tables->sizes[t] > BCQ_MOST_ELEMENTS / tables->dims[t]) return false;
  }
  return true;
}

int64_t columns_of(const bcq_tables* tables) {
  int64_t columns = 0;
  for (int64_t t = 0; t < tables->count; ++t) columns += tables->dims[t];
  return columns;
}

/* Runs call(arguments, the table's first element in the array, its first column of the batch's
 * rows) for each table, up to the first that is not BCQ_OK. */
template <class Call>
bcq_status for_each_table(const bcq_tables* tables, bcq_type type, bcq_ids ids, int64_t batch,
                          Call call) {
  TableArguments a = {};
  a.id_stride = tables->count;
  a.batch = batch;
  a.row_stride = columns_of(tables);
  a.type = type;
  int64_t first = 0, column = 0;
  for (int64_t t = 0; t < tables->count; ++t) {
    a.size = tables->sizes[t];
    a.columns = tables->dims[t];
    a.ids = {static_cast<const char*>(ids.data) + t * ids.bytes, ids.bytes};
    const bcq_status status = call(a, first, column);
    if (status != BCQ_OK) return status;
    first += a.size * a.columns;
    column += a.columns;
  }
  return BCQ_OK;
}

/* How the ordered gradient of a table is cut, by its sizes alone. */
struct Cut {
  int64_t tile_rows, tiles, slices;
};

Cut cut_table(int64_t size, int64_t columns, int64_t batch) {
  Cut cut;
  cut.tile_rows = size >= kLargeTable ? 256 : 64;
  cut.tiles = rounded_up(size, cut.tile_rows) * rounded_up(columns, kSumColumns);
  const int64_t wanted = cut.tiles == 0 ? 1 : rounded_up(kWantedBlocks, cut.tiles);
  const int64_t most = least(kMostSlices, rounded_up(batch, kFoundIds));
  cut.slices = least(wanted, most > 1 ? most : 1);
  return cut;
}

/* float32 numbers that the sums of a table take, beside its gradient. */
int64_t sums_of(int64_t size, int64_t columns, bcq_type type, int64_t batch, bool deterministic) {
  if (!deterministic) return type == BCQ_FLOAT32 ? 0 : size * columns;
  const int64_t slices = cut_table(size, columns, batch).slices;
  return slices == 1 ? 0 : slices * size * columns;
}

bcq_status add_in_order(TableArguments a, void* stream) {
  const Cut cut = cut_table(a.size, a.columns, a.batch);
  a.tile_rows = cut.tile_rows;
  a.slices = cut.slices;
  const bcq_status status = launch(tables_gradient_kernel, cut.tiles * cut.slices, 256,
                                   static_cast<int>(sum_shared_bytes(cut.tile_rows)), a, stream);
  if (status != BCQ_OK || a.slices == 1) return status;
  return launch_for_each(tables_round_kernel, a.size * a.columns, a, stream);
}

bcq_status add_at_once(TableArguments a, void* stream) {
  const int64_t elements = a.size * a.columns;
  if (a.type == BCQ_FLOAT32) a.sums = static_cast<float*>(a.out) + a.to;
  bcq_status status = fill_bytes(a.sums, 0, elements * 4, stream);
  if (status == BCQ_OK && a.batch > 0) {
    status = launch_for_each(tables_add_kernel, a.batch * a.columns, a, stream);
  }
  if (status != BCQ_OK || a.type == BCQ_FLOAT32) return status;
  a.slices = 1;
  return launch_for_each(tables_round_kernel, elements, a, stream);
}

}  // namespace
}  // namespace bcq_cuda

using namespace bcq_cuda;

bcq_status bcq_cuda_tables_gather(const bcq_tables* tables, bcq_type type, const void* table,
                                  bcq_ids ids, int64_t batch, void* out, void* stream) {
  if (!check_tables(tables, type, batch) || (ids.bytes != 4 && ids.bytes != 8)) {
    return BCQ_BAD_ARGUMENT;
  }
  if (batch == 0) return BCQ_OK;
  if (!ids.data || !out) return BCQ_BAD_ARGUMENT;
  return for_each_table(
      tables, type, ids, batch, [&](TableArguments a, int64_t first, int64_t column) {
        if (a.size > 0 && !table) return BCQ_BAD_ARGUMENT;
        a.table = table;
        a.from = first;
        a.out = out;
        a.to = column;
        return launch_for_each(tables_gather_kernel, batch * a.columns, a, stream);
      });
}

int64_t bcq_cuda_tables_gradient_workspace(const bcq_tables* tables, bcq_type type, int64_t batch,
                                           int32_t deterministic) {
  if (!check_tables(tables, type, batch)) return -1;
  int64_t most = 0; /* the tables take turns */
  for (int64_t t = 0; t < tables->count; ++t) {
    const int64_t sums =
        sums_of(tables->sizes[t], tables->dims[t], type, batch, deterministic != 0);
    most = most < sums ? sums : most;
  }
  return most * 4;
}

bcq_status bcq_cuda_tables_gradient(const bcq_tables* tables, bcq_type type, bcq_ids ids,
                                    int64_t batch, const void* dout, void* dtable,
                                    int32_t deterministic, void* workspace, void* stream) {
  const int64_t bytes = bcq_cuda_tables_gradient_workspace(tables, type, batch, deterministic);
  if (bytes < 0 || (ids.bytes != 4 && ids.bytes != 8)) return BCQ_BAD_ARGUMENT;
  if ((batch > 0 && (!ids.data || !dout)) || (bytes > 0 && !workspace)) return BCQ_BAD_ARGUMENT;
  return for_each_table(tables, type, ids, batch,
                        [&](TableArguments a, int64_t first, int64_t column) {
                          if (a.size == 0) return BCQ_OK;
                          if (!dtable) return BCQ_BAD_ARGUMENT;
                          a.table = dout;
                          a.from = column;
                          a.out = dtable;
                          a.to = first;
                          a.sums = static_cast<float*>(workspace);
                          return deterministic ? add_in_order(a, stream) : add_at_once(a, stream);
                        });
}
