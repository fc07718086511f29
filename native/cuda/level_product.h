/* y = x W^T for large batches at half precision: weights of a tile are brought to bfloat16 in
 * shared memory, then tensor cores multiply.
 *
 * A block of four warps computes 128 rows x 128 batch rows, a word of 32 columns at a time, while
 * the codes and x of the next word are on their way. A thread makes the 32 weights of its row.
 */
#ifndef BCQ_CUDA_LEVEL_PRODUCT_H_
#define BCQ_CUDA_LEVEL_PRODUCT_H_

#include "cuda/weights.h"

namespace bcq_cuda {

constexpr int kLevelTile = 128;       /* rows, and batch rows, of a block; its threads */
constexpr int kLevelWords = 128 * 16; /* of shared memory for a word of 128 rows of W or x */
constexpr int kLevelShared = 4 * 2 * 2 * kLevelWords;

struct LevelArguments {
  Matrix matrix;
  const void* x;
  void* y;
  int type;
  int64_t batch;
  int64_t batch_blocks;
  const uint32_t* pairs; /* of pairs_kernel */
};

struct PairArguments {
  const void* x;
  int type;
  int64_t columns, batch;
  int64_t padded_batch;
  int64_t count;   /* of registers: words * padded_batch * 16 */
  uint32_t* pairs; /* [words][padded_batch][16] */
};

/* x in bfloat16: register p of a word holds its columns p and p + 16; 0 outside x. */
BCQ_KERNEL(kThreads) pairs_kernel(BCQ_ARGUMENTS(PairArguments) a) {
  for_each(a.count, [&](int64_t i) {
    const int64_t b = i / 16 % a.padded_batch;
    const int64_t column = i / 16 / a.padded_batch * kWordBits + i % 16;
    float low = 0.0f, high = 0.0f;
    if (b < a.batch && column < a.columns) low = load_as_float(a.x, a.type, b * a.columns + column);
    if (b < a.batch && column + 16 < a.columns) {
      high = load_as_float(a.x, a.type, b * a.columns + column + 16);
    }
    a.pairs[i] = bfloat16_of(low) | static_cast<uint32_t>(bfloat16_of(high)) << 16;
  });
}

/* A thread's row: its scales in both halves of a register, with the sign of a bit that is 0. */
struct LevelRow {
  const uint32_t* codes; /* the tile, from this row on; NULL past the last tile */
  int64_t row;
  int planes, group;
  uint32_t offset;
  uint32_t scales[kMaxBits];
};

BCQ_DEVICE uint32_t both_halves(float value) { return bfloat16_of(value) * 0x10001u; }

BCQ_DEVICE LevelRow level_row(const Matrix& m, int64_t row) {
  LevelRow at;
  const int64_t tile = row / kTileRows;
  const bool exists = tile * kTileRows < m.rows;
  at.row = row;
  at.planes = exists ? tile_planes(m, tile) : 0;
  at.codes = exists ? m.tiles + tile_start(m, tile) + row % kTileRows : nullptr;
  at.group = -1;
  at.offset = 0;
  BCQ_UNROLL
  for (int i = 0; i < kMaxBits; ++i) at.scales[i] = 0;
  return at;
}

BCQ_DEVICE void load_word(const LevelRow& at, int word, uint32_t (&codes)[kMaxBits]) {
  BCQ_UNROLL
  for (int i = 0; i < kMaxBits; ++i) {
    if (i < at.planes) codes[i] = load(at.codes + word_place(word, at.planes, i, 0));
  }
}

BCQ_DEVICE void set_group(const Matrix& m, int word, LevelRow& at) {
  const int group = m.groups == 1 ? 0 : word / m.group_words;
  if (group == at.group || at.row >= m.rows) return;
  at.group = group;
  at.offset = both_halves(offset_of(m, group, at.row));
  BCQ_UNROLL
  for (int i = 0; i < kMaxBits; ++i) {
    if (i < at.planes) {
      at.scales[i] = both_halves(scale_of(m, group, i, at.row)) ^ 0x80008000u;
    }
  }
}

/* The row's 32 weights into shared memory, 16 bytes a turn. */
BCQ_DEVICE void store_levels(const LevelRow& at, const uint32_t (&codes)[kMaxBits],
                             uint32_t* shared) {
  const int row = thread_index();
  BCQ_UNROLL
  for (int turn = 0; turn < 4; ++turn) {
    const int quarter = quarter_at(row, turn);
    uint32_t level[4] = {at.offset, at.offset, at.offset, at.offset};
    BCQ_UNROLL
    for (int i = 0; i < kMaxBits; ++i) {
      if (i < at.planes) {
        BCQ_UNROLL
        for (int p = 0; p < 4; ++p) {
          level[p] = add_bfloat16(level[p], sign_halves(codes[i], 4 * quarter + p) ^ at.scales[i]);
        }
      }
    }
    *reinterpret_cast<Words4*>(shared + pair_place(row, quarter)) = {level[0], level[1], level[2],
                                                                     level[3]};
  }
}

/* x of 128 batch rows at one word: 8 KiB that lie together. */
BCQ_DEVICE void copy_pairs(const uint32_t* from, uint32_t* shared) {
  BCQ_UNROLL
  for (int i = 0; i < 4; ++i) {
    const int place = (i * kLevelTile + thread_index()) * 4;
    copy16(shared + place, from + place);
  }
}

/* A warp's 64 x 64 results at one word. */
BCQ_DEVICE void multiply_word(const uint32_t* weights, const uint32_t* pairs,
                              float (&sums)[4][8][4]) {
  const int g = lane_index() >> 2, j = lane_index() & 3;
  const int row = (warp_index() >> 1) * 64 + g, batch_row = (warp_index() & 1) * 64 + g;
  Words4 a[4][2];
  BCQ_UNROLL
  for (int i = 0; i < 4; ++i) {
    BCQ_UNROLL
    for (int half = 0; half < 2; ++half) {
      a[i][half] =
          *reinterpret_cast<const Words4*>(weights + pair_place(row + 16 * i + 8 * half, j));
    }
  }
  BCQ_UNROLL
  for (int n = 0; n < 8; ++n) {
    const Words4 b = *reinterpret_cast<const Words4*>(pairs + pair_place(batch_row + 8 * n, j));
    BCQ_UNROLL
    for (int i = 0; i < 4; ++i) {
      const uint32_t first[4] = {a[i][0].x, a[i][1].x, a[i][0].y, a[i][1].y};
      const uint32_t second[4] = {a[i][0].z, a[i][1].z, a[i][0].w, a[i][1].w};
      multiply_bfloat16(sums[i][n], first, b.x, b.y);
      multiply_bfloat16(sums[i][n], second, b.z, b.w);
    }
  }
}

/* A warp's results to y. */
BCQ_DEVICE void store_sums(const LevelArguments& a, int64_t first_row, int64_t first_batch,
                           const float (&sums)[4][8][4]) {
  const int g = lane_index() >> 2, j = lane_index() & 3;
  BCQ_UNROLL
  for (int i = 0; i < 4; ++i) {
    BCQ_UNROLL
    for (int n = 0; n < 8; ++n) {
      BCQ_UNROLL
      for (int e = 0; e < 4; ++e) {
        const int64_t row = first_row + (warp_index() >> 1) * 64 + 16 * i + 8 * (e >> 1) + g;
        const int64_t b = first_batch + (warp_index() & 1) * 64 + 8 * n + 2 * j + (e & 1);
        if (row >= a.matrix.rows || b >= a.batch) continue;
        float value = sums[i][n][e];
        if (!is_finite(value)) value = plain_product(a.matrix, a.x, a.type, b, row);
        store_as(a.y, a.type, b * a.matrix.rows + original_row(a.matrix, row), value);
      }
    }
  }
}

BCQ_KERNEL(kLevelTile) level_product_kernel(BCQ_ARGUMENTS(LevelArguments) a) {
  const Matrix& m = a.matrix;
  uint32_t* shared = static_cast<uint32_t*>(shared_memory());
  const int64_t first_batch = block_index() % a.batch_blocks * kLevelTile;
  const int64_t first_row = block_index() / a.batch_blocks * kLevelTile;
  const int64_t word_pairs = a.batch_blocks * kLevelWords; /* of x, from one word to the next */
  const uint32_t* pairs = a.pairs + first_batch * 16;
  LevelRow at = level_row(m, first_row + thread_index());
  uint32_t codes[kMaxBits] = {};
  float sums[4][8][4] = {};

  load_word(at, 0, codes);
  copy_pairs(pairs, shared + kLevelWords);
  set_group(m, 0, at);
  store_levels(at, codes, shared);
  wait_for_copies();
  sync_block();
  for (int word = 0; word < m.words; ++word) {
    const uint32_t* here = shared + (word & 1) * 2 * kLevelWords;
    uint32_t* there = shared + ((word + 1) & 1) * 2 * kLevelWords;
    const bool more = word + 1 < m.words;
    if (more) {
      copy_pairs(pairs + (word + 1) * word_pairs, there + kLevelWords);
      load_word(at, word + 1, codes);
    }
    multiply_word(here, here + kLevelWords, sums);
    if (more) {
      set_group(m, word + 1, at);
      store_levels(at, codes, there);
    }
    wait_for_copies();
    sync_block();
  }
  store_sums(a, first_row, first_batch, sums);
}

}  // namespace bcq_cuda

#endif
