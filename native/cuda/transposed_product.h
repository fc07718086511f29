/* dx = dy W in float32: weights of 64 rows x 64 columns in shared memory, rows in order. */
#ifndef BCQ_CUDA_TRANSPOSED_PRODUCT_H_
#define BCQ_CUDA_TRANSPOSED_PRODUCT_H_

#include "cuda/weights.h"

namespace bcq_cuda {

constexpr int kTransposedThreads = 256;
constexpr int kTransposedBatch = 32;
constexpr int kTransposedColumns = 64;
constexpr int kTransposedStride = kTransposedColumns + 1;
constexpr int kTransposedShared =
    4 * (kTileRows * kTransposedStride + kTransposedBatch * kTileRows);

struct TransposedArguments {
  Matrix matrix;
  const void* dy;
  void* dx;
  int type;
  int64_t batch;
  int64_t batch_blocks;
};

/* Weights of a tile at two words; 0 outside the matrix. A thread makes 16 of a row. */
BCQ_DEVICE void store_weights(const Matrix& m, int64_t tile, int first_word, float* weights) {
  const int row = thread_index() % kTileRows, part = thread_index() / kTileRows;
  const int word = first_word + part / 2, bit = part % 2 * 16;
  const int64_t matrix_row = tile * kTileRows + row;
  const bool inside = matrix_row < m.rows && word < m.words;
  RowWord codes = {};
  if (inside) codes = row_word(m, matrix_row, word);
  const int count = inside ? word_columns(m, word) : 0;
  BCQ_UNROLL
  for (int c = 0; c < 16; ++c) {
    weights[row * kTransposedStride + part * 16 + c] =
        bit + c < count ? codes.weight(bit + c) : 0.0f;
  }
}

/* dy of the tile's rows: [32 batch rows][64]. */
BCQ_DEVICE void store_rows(const TransposedArguments& a, int64_t tile, int64_t first_batch,
                           float* rows) {
  for (int i = thread_index(); i < kTransposedBatch * kTileRows; i += kTransposedThreads) {
    const int64_t row = tile * kTileRows + i % kTileRows, b = first_batch + i / kTileRows;
    rows[i] = row < a.matrix.rows && b < a.batch
                  ? load_as_float(a.dy, a.type, b * a.matrix.rows + original_row(a.matrix, row))
                  : 0.0f;
  }
}

BCQ_KERNEL(kTransposedThreads) transposed_product_kernel(BCQ_ARGUMENTS(TransposedArguments) a) {
  const Matrix& m = a.matrix;
  float* weights = static_cast<float*>(shared_memory());
  float* rows = weights + kTileRows * kTransposedStride;
  const int64_t first_batch = block_index() % a.batch_blocks * kTransposedBatch;
  const int64_t first_column = block_index() / a.batch_blocks * kTransposedColumns;
  const int column = thread_index() % 16, batch_row = thread_index() / 16; /* and 16, 32, 48 on */
  float sums[2][4] = {};
  for (int64_t tile = 0; tile * kTileRows < m.rows; ++tile) {
    store_weights(m, tile, static_cast<int>(first_column / kWordBits), weights);
    store_rows(a, tile, first_batch, rows);
    sync_block();
    const int count = static_cast<int>(least<int64_t>(kTileRows, m.rows - tile * kTileRows));
    for (int r = 0; r < count; ++r) {
      BCQ_UNROLL
      for (int c = 0; c < 4; ++c) {
        const float weight = weights[r * kTransposedStride + column + 16 * c];
        BCQ_UNROLL
        for (int b = 0; b < 2; ++b) {
          sums[b][c] = multiply_add(rows[(batch_row + 16 * b) * kTileRows + r], weight, sums[b][c]);
        }
      }
    }
    sync_block();
  }
  BCQ_UNROLL
  for (int b = 0; b < 2; ++b) {
    BCQ_UNROLL
    for (int c = 0; c < 4; ++c) {
      const int64_t row = first_batch + batch_row + 16 * b, to = first_column + column + 16 * c;
      if (row < a.batch && to < m.columns) store_as(a.dx, a.type, row * m.columns + to, sums[b][c]);
    }
  }
}

}  // namespace bcq_cuda

#endif
