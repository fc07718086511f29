/* Where things are: which word, bit, lane, scale and byte of a fragment. Plain C++ as well as CUDA,
 * so that native/tests/cuda_index_test.cc tests it on any machine. docs/kernels.md explains it.
 *
 * A "step" is what one warp instruction group of the sign product takes: up to four words (128
 * columns) of one group of scales. Steps never straddle groups. 32 steps are a "chunk", the columns
 * that share the fixed-point unit of x.
 */
#ifndef BCQ_CUDA_INDEX_H_
#define BCQ_CUDA_INDEX_H_

#include <stdint.h>

#include "core/matrix.h"

#ifdef __CUDACC__
#define BCQ_HD __host__ __device__ __forceinline__
#else
#define BCQ_HD inline
#endif

namespace bcq_cuda {

constexpr int kWordBits = BCQ_WORD_BITS;
constexpr int kTileRows = BCQ_TILE_ROWS;
constexpr int kMaxBits = BCQ_MAX_BITS;
constexpr int kStepWords = 4;
constexpr int kChunkSteps = 32;
constexpr int kFragmentWords = 256; /* of one digit of x: a step of 8 batch rows, a byte a value */

/* A bcq_matrix as kernels take it, by value, with what follows from its sizes. */
struct Matrix {
  int64_t rows, columns;
  int64_t plane_rows[kMaxBits];
  int bits, scale_type;
  int words; /* of a row */
  int groups;
  int group_words; /* of each group but the last */
  int group_steps; /* likewise */
  int steps;       /* of a row */
  const uint32_t* tiles;
  const void* scales;
  const void* offset;
  const int32_t* row_order;
  const int32_t* row_place;
};

template <class T>
BCQ_HD T least(T a, T b) {
  return a < b ? a : b;
}

BCQ_HD int64_t rounded_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit; }

/* The columns cut into words, groups, steps. */
BCQ_HD void set_columns(Matrix& m, int64_t columns, int64_t group_size) {
  m.columns = columns;
  m.words = static_cast<int>(rounded_up(columns, kWordBits));
  m.groups = group_size >= columns ? 1 : static_cast<int>(rounded_up(columns, group_size));
  m.group_words = m.groups == 1 ? m.words : static_cast<int>(group_size / kWordBits);
  m.group_steps = static_cast<int>(rounded_up(m.group_words, kStepWords));
  const int last = m.words - (m.groups - 1) * m.group_words;
  m.steps = (m.groups - 1) * m.group_steps + static_cast<int>(rounded_up(last, kStepWords));
}

/* --- Tiles ------------------------------------------------------------------------------------ */

BCQ_HD int tile_planes(const Matrix& m, int64_t tile) {
  int planes = 0;
  for (int i = 0; i < m.bits; ++i) planes += m.plane_rows[i] > tile * kTileRows;
  return planes;
}

/* The first word of a tile. */
BCQ_HD int64_t tile_start(const Matrix& m, int64_t tile) {
  int64_t planes_before = 0;
  for (int i = 0; i < m.bits; ++i) {
    planes_before += least(tile, rounded_up(m.plane_rows[i], kTileRows));
  }
  return planes_before * m.words * kTileRows;
}

/* Within a tile: the word `word` of the tile's row `row` in `plane`. */
BCQ_HD int64_t word_place(int64_t word, int planes, int plane, int row) {
  return (word * planes + plane) * kTileRows + row;
}

BCQ_HD int64_t scale_place(const Matrix& m, int group, int plane, int64_t row) {
  return (static_cast<int64_t>(group) * m.bits + plane) * m.rows + row;
}

BCQ_HD int64_t offset_place(const Matrix& m, int group, int64_t row) {
  return static_cast<int64_t>(group) * m.rows + row;
}

/* --- Steps ------------------------------------------------------------------------------------ */

/* A step of the row. */
struct Step {
  int group;
  int within; /* the step's number in its group */
};

BCQ_HD Step step_at(const Matrix& m, int step) {
  return {step / m.group_steps, step % m.group_steps};
}

/* `stride` steps further on, without a division. */
struct Stride {
  int groups, within;
};

BCQ_HD Stride stride_of(const Matrix& m, int steps) {
  return {steps / m.group_steps, steps % m.group_steps};
}

BCQ_HD Step advanced(const Matrix& m, Step step, Stride stride) {
  step.group += stride.groups;
  step.within += stride.within;
  if (step.within >= m.group_steps) {
    step.within -= m.group_steps;
    ++step.group;
  }
  return step;
}

BCQ_HD int first_word(const Matrix& m, Step step) {
  return step.group * m.group_words + step.within * kStepWords;
}

/* The words of a step, 1 to 4. */
BCQ_HD int word_count(const Matrix& m, Step step) {
  const int end = least((step.group + 1) * m.group_words, m.words);
  return least(kStepWords, end - first_word(m, step));
}

BCQ_HD int chunk_count(const Matrix& m) {
  return static_cast<int>(rounded_up(m.steps, kChunkSteps));
}

BCQ_HD int chunk_steps(const Matrix& m, int chunk) {
  return least(kChunkSteps, m.steps - chunk * kChunkSteps);
}

/* --- Fragments of the int8 product, mma.m16n8k32 ------------------------------------------------
 *
 * Lane 4 g + j of a warp. The sum over columns may run in any order, as long as both factors keep
 * to it: j owns word j of the step, and its eight registers k = 0..7 (two for each of four
 * products) hold byte t = column 8 t + 7 - k of that word. So signs come from a code word with a
 * shift and a mask.
 */

/* Register k of the signs: bytes of +64 where the bit is 0, -64 where it is 1. */
BCQ_HD uint32_t sign_bytes(uint32_t word, int k) {
#ifdef __CUDA_ARCH__ /* one instruction in place of two */
  uint32_t signs;
  asm("lop3.b32 %0, %1, %2, %3, 0x6a;"
      : "=r"(signs)
      : "r"(word << k), "r"(0x80808080u), "r"(0x40404040u));
  return signs;
#else
  return ((word << k) & 0x80808080u) ^ 0x40404040u;
#endif
}

/* Which column of its word byte t of register k is. */
BCQ_HD int byte_column(int k, int t) { return 8 * t + 7 - k; }

/* The place of register k of x for column `n` of the product and word j: the 8 registers of a lane
 * are two vectors of 4, [2][32 lanes][4]. */
BCQ_HD int digit_place(int n, int j, int k) { return (k >> 2) * 128 + (n * 4 + j) * 4 + (k & 3); }

/* The row of its 32 or 64 that lane group g has in the product `pair` (0 to 1 or 3), `half` 0 being
 * the fragment's row g, 1 its row g + 8. Four rows of a lane are 16 bytes of codes. */
BCQ_HD int fragment_row(int pair, int half, int g) {
  return (pair >> 1) * 32 + 4 * g + (pair & 1) * 2 + half;
}

/* Batch 1 or 2: the three digits of both rows side by side in one product of 8 columns. */
BCQ_HD int packed_column(int digit, int batch_row) { return 2 * digit + batch_row; }

/* --- Fragments of the bfloat16 product, mma.m16n8k16
 * ----------------------------------------------
 *
 * Register p = 0..15 of a word's 32 columns holds the columns p and p + 16. Lane 4 g + j owns the
 * registers 4 j to 4 j + 3: two products, 16 bytes.
 */

/* Sign bits of register p: 0 where the bit is 0. */
BCQ_HD uint32_t sign_halves(uint32_t word, int p) { return (word << (15 - p)) & 0x80008000u; }

/* Of the 16-byte quarters of a row's 64 bytes, the one that a thread writes at its turn, so that
 * eight neighbouring rows write to different banks. */
BCQ_HD int quarter_at(int row, int turn) { return (turn + (row >> 1)) & 3; }

/* A word's bfloat16 values: [rows][16] registers. */
BCQ_HD int pair_place(int row, int quarter) { return row * 16 + quarter * 4; }

}  // namespace bcq_cuda

#endif
