/* The gradient with respect to scales and offset:
 *
 *   d scales[g, i, r] = sum over c in g of sign(i, r, c) D[r, c],   D = dy^T x,   d offset = sum of
 * D
 *
 * A block makes D for the 64 rows of a tile, 64 columns at a time, and adds it up for each plane
 * along a "slice" of up to 512 columns of a group. A second kernel adds the slices in order.
 */
#ifndef BCQ_CUDA_SCALE_GRADIENT_H_
#define BCQ_CUDA_SCALE_GRADIENT_H_

#include "cuda/weights.h"

namespace bcq_cuda {

constexpr int kGradientThreads = 256;
constexpr int kGradientBatch = 32;
constexpr int kSliceWords = 16;
constexpr int kGradientStride = kTileRows + 1;
constexpr int kSums = kMaxBits + 1; /* the planes, and D itself for the offset */
/* D, or x and dy, or the four parts of each sum */
constexpr int kGradientShared = 4 * kTileRows * kGradientStride;

struct GradientArguments {
  Matrix matrix;
  const void* x;
  const void* dy;
  int type;
  int64_t batch;
  int slices;     /* of a group */
  float* partial; /* [groups * slices][bits + 1][rows] */
  float* dscales; /* [groups][bits][rows] */
  float* doffset; /* [groups][rows] or NULL */
};

BCQ_HD int slices_of(const Matrix& m) {
  return static_cast<int>(rounded_up(m.group_words, kSliceWords));
}

BCQ_HD int64_t partial_place(const Matrix& m, int64_t slice, int plane, int64_t row) {
  return (slice * (m.bits + 1) + plane) * m.rows + row;
}

/* 32 batch rows of dy [.., 64 rows] and of x [.., 64 columns]; 0 outside. */
BCQ_DEVICE void store_factors(const GradientArguments& a, int64_t tile, int64_t first_column,
                              int64_t first_batch, float* dy, float* x) {
  const Matrix& m = a.matrix;
  for (int i = thread_index(); i < kGradientBatch * 64; i += kGradientThreads) {
    const int64_t b = first_batch + i / 64;
    const int64_t row = tile * kTileRows + i % 64, column = first_column + i % 64;
    dy[i] = b < a.batch && row < m.rows
                ? load_as_float(a.dy, a.type, b * m.rows + original_row(m, row))
                : 0.0f;
    x[i] = b < a.batch && column < m.columns ? load_as_float(a.x, a.type, b * m.columns + column)
                                             : 0.0f;
  }
}

/* D of the tile at 64 columns, into shared memory [64][65]. */
BCQ_DEVICE void make_products(const GradientArguments& a, int64_t tile, int64_t first_column,
                              float* shared) {
  float *dy = shared, *x = shared + kGradientBatch * 64;
  const int column = thread_index() % 16, row = thread_index() / 16;
  float sums[4][4] = {};
  for (int64_t first = 0; first < a.batch; first += kGradientBatch) {
    store_factors(a, tile, first_column, first, dy, x);
    sync_block();
    for (int b = 0; b < kGradientBatch; ++b) {
      BCQ_UNROLL
      for (int r = 0; r < 4; ++r) {
        BCQ_UNROLL
        for (int c = 0; c < 4; ++c) {
          sums[r][c] =
              multiply_add(dy[b * 64 + row + 16 * r], x[b * 64 + column + 16 * c], sums[r][c]);
        }
      }
    }
    sync_block();
  }
  BCQ_UNROLL
  for (int r = 0; r < 4; ++r) {
    BCQ_UNROLL
    for (int c = 0; c < 4; ++c) {
      shared[(row + 16 * r) * kGradientStride + column + 16 * c] = sums[r][c];
    }
  }
  sync_block();
}

/* Adds 16 columns of D, with the signs of each plane, to the thread's sums. */
BCQ_DEVICE void add_signed(const Matrix& m, int64_t tile, int word, int end_word, const float* d,
                           float (&sums)[kSums]) {
  const int row = thread_index() % kTileRows, part = thread_index() / kTileRows;
  const int bit = part % 2 * 16;
  word += part / 2;
  if (word >= end_word) return;
  const int planes = tile_planes(m, tile), count = least(16, word_columns(m, word) - bit);
  const uint32_t* codes = m.tiles + tile_start(m, tile);
  d += row * kGradientStride + part * 16;
  BCQ_UNROLL
  for (int i = 0; i < kMaxBits; ++i) {
    if (i < planes) {
      const uint32_t here = load(codes + word_place(word, planes, i, row)) >> bit;
      for (int c = 0; c < count; ++c) sums[i] = add(sums[i], with_sign(d[c], here, c));
    }
  }
  for (int c = 0; c < count; ++c) sums[kMaxBits] = add(sums[kMaxBits], d[c]);
}

/* A block: one tile, one slice of a group. */
BCQ_KERNEL(kGradientThreads) scale_gradient_kernel(BCQ_ARGUMENTS(GradientArguments) a) {
  const Matrix& m = a.matrix;
  float* shared = static_cast<float*>(shared_memory());
  const int64_t slice = block_index() % (int64_t{m.groups} * a.slices);
  const int64_t tile = block_index() / (int64_t{m.groups} * a.slices);
  const int group = static_cast<int>(slice / a.slices);
  const int start = group * m.group_words + static_cast<int>(slice % a.slices) * kSliceWords;
  const int end = least(least((group + 1) * m.group_words, m.words), start + kSliceWords);
  float sums[kSums] = {};
  for (int word = start; word < end; word += 2) {
    make_products(a, tile, int64_t{word} * kWordBits, shared);
    add_signed(m, tile, word, end, shared, sums);
    sync_block();
  }
  const int row = thread_index() % kTileRows, part = thread_index() / kTileRows;
  BCQ_UNROLL
  for (int i = 0; i < kSums; ++i) shared[(i * 4 + part) * kTileRows + row] = sums[i];
  sync_block();
  for (int j = thread_index(); j < (m.bits + 1) * kTileRows; j += kGradientThreads) {
    const int i = j / kTileRows, r = j % kTileRows;
    const float* four = shared + (i == m.bits ? kMaxBits : i) * 4 * kTileRows + r;
    if (tile * kTileRows + r < m.rows) {
      a.partial[partial_place(m, slice, i, tile * kTileRows + r)] =
          add(add(four[0], four[64]), add(four[128], four[192]));
    }
  }
}

/* A thread: sums. */
BCQ_KERNEL(kThreads) add_slices_kernel(BCQ_ARGUMENTS(GradientArguments) a) {
  const Matrix& m = a.matrix;
  for_each(int64_t{m.groups} * (m.bits + 1) * m.rows, [&](int64_t at) {
    const int64_t row = at % m.rows;
    const int i = static_cast<int>(at / m.rows % (m.bits + 1));
    const int group = static_cast<int>(at / m.rows / (m.bits + 1));
    float sum = 0.0f;
    for (int s = 0; s < a.slices; ++s) {
      sum = add(sum, a.partial[partial_place(m, int64_t{group} * a.slices + s, i, row)]);
    }
    if (i < m.bits) {
      a.dscales[scale_place(m, group, i, row)] = row < m.plane_rows[i] ? sum : 0.0f;
    } else if (a.doffset) {
      a.doffset[offset_place(m, group, row)] = sum;
    }
  });
}

}  // namespace bcq_cuda

#endif
