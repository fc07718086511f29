/* Rows of embedding tables, and the gradient; a launch or two for each table. */
#include "embedding.h"

#include "embedding_rows.h"
#include "launch.h"

namespace bcq_cuda {
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

/* Runs call(arguments, the table's first element in the array, its first column of the batch's rows)
 * for each table, up to the first that is not BCQ_OK. */
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

int64_t blocks_for(int64_t elements) { return least<int64_t>(rounded_up(elements, 256), 1 << 20); }

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
  const bcq_status status =
      launch(tables_gradient_kernel, cut.tiles * cut.slices, 256,
             static_cast<int>(sum_shared_bytes(cut.tile_rows)), a, stream);
  if (status != BCQ_OK || a.slices == 1) return status;
  return launch(tables_round_kernel, blocks_for(a.size * a.columns), 256, 0, a, stream);
}

bcq_status add_at_once(TableArguments a, void* stream) {
  const int64_t elements = a.size * a.columns;
  if (a.type == BCQ_FLOAT32) a.sums = static_cast<float*>(a.out) + a.to;
  bcq_status status = fill_bytes(a.sums, 0, elements * 4, stream);
  if (status == BCQ_OK && a.batch > 0) {
    status = launch(tables_add_kernel, blocks_for(a.batch * a.columns), 256, 0, a, stream);
  }
  if (status != BCQ_OK || a.type == BCQ_FLOAT32) return status;
  a.slices = 1;
  return launch(tables_round_kernel, blocks_for(elements), 256, 0, a, stream);
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
        return launch(tables_gather_kernel, blocks_for(batch * a.columns), 256, 0, a, stream);
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
  return for_each_table(
      tables, type, ids, batch, [&](TableArguments a, int64_t first, int64_t column) {
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
