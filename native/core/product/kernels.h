/* What the product's files share: the inner functions, one set for each instruction set, and how a
 * few rows of the input are laid out for them. docs/kernels.md explains the method.
 *
 * Everything here is a type, a constant or `static`: no function of this header is shared between
 * files that are compiled for different instruction sets.
 */
#ifndef BCQ_CORE_PRODUCT_KERNELS_H_
#define BCQ_CORE_PRODUCT_KERNELS_H_

#include "core/arrays.h"
#include "core/product/product.h"

namespace bcq {

enum {
  kTileRows = BCQ_TILE_ROWS,
  kWordBits = BCQ_WORD_BITS,
  kTileWords = 32,   /* a K tile: words of the reduction axis that share one fixed-point unit */
  kArrangedRows = 64 /* rows of y that are worked on together where x = y W */
};

/* A few rows of x as a method of multiplying wants them. Pointers to memory of the caller's. */
struct Tables {
  int64_t batch;       /* rows of x */
  int64_t block;       /* rows of x that are multiplied together */
  int64_t tiles;       /* K tiles */
  int64_t bytes_size;  /* of `bytes` */
  int64_t row_bytes;   /* of `bytes`, for a row of x; where rows of x stand one after the other */
  int64_t row_weights; /* of `weights`, for a row of x */
  uint8_t* bytes;      /* tables of partial sums, or digits: as the method has them */
  uint32_t* weights;   /* fast: [batch][words][2], a byte for each table: its integer multiplier */
  double* units;       /* [batch][tiles]: what 1 in the integer sums stands for */
  double* sums;        /* [batch][tiles][kTileWords]: of x, over each segment of a K tile */
  uint8_t* finite;     /* [batch][tiles]: 0 where x holds NaN or Inf there */
};

/* Words of a K tile that share their scales: a K tile cut where a group ends. */
struct Segment {
  int64_t begin, end, group;
};

struct Segments {
  int64_t count;
  Segment segment[kTileWords];
};

/* A way to multiply. All that are exact give the same bits. */
struct ProductMethod {
  int64_t least_batch; /* rows of x from which on it is quicker than looking up */
  int64_t most_bits;   /* planes of a matrix for which it serves */
  /* Rows of x that one pass over the words of a K tile serves. */
  int64_t least_block, most_block;
  int64_t most_tiles; /* row tiles that one pass over the tables of a K tile serves */
  int64_t most_bytes; /* of tables that are made at one time, but for the least block */
  /* What 64 signs take for a row of x, roughly. */
  double sign_nanoseconds;
  /* The sizes of the tables, for the batch and block that stand in `tables`. */
  void (*plan)(const bcq_matrix*, Tables* tables);
  /* Makes the tables of K tile `tile` of the row of x at `x`, as row `row` of `tables`. */
  void (*prepare)(const bcq_matrix*, bcq_type, const void* x, int64_t row, int64_t tile,
                  const Tables* tables);
  /* y for `batch` rows of x from `row` on (one block) and `count` row tiles from `first_tile` on
   * (at most most_tiles); x and y are those of row 0 of `tables`. */
  void (*multiply)(const bcq_matrix*, const Tables* tables, bcq_type, const void* x, void* y,
                   int64_t row, int64_t batch, int64_t first_tile, int64_t count);
};

struct ProductKernels {
  /* By precision. */
  ProductMethod look_up[2];
  /* dy [batch, rows] -> `out` [batch][64], float32, for one row tile; 0 past the last row. */
  void (*arrange)(const bcq_matrix*, bcq_type, const void* dy, int64_t batch, int64_t tile,
                  float* out);
  /* dx [batch, columns] for the columns of one word; dy [row tiles][batch][64] as arranged, batch
   * at most kArrangedRows. */
  void (*transposed)(const bcq_matrix*, const float* dy, int64_t batch, int64_t word, bcq_type,
                     void* dx);
  /* Row `row` (stored order) of the matrix, `out` [columns]. */
  void (*reconstruct_row)(const bcq_matrix*, int64_t row, bcq_type, void* out);
  /* The columns of one word, of `out` [columns, rows]. */
  void (*columns_of_word)(const bcq_matrix*, int64_t word, bcq_type, void* out);
};

/* Products of several rows of x, by a unit that multiplies matrices: by precision. */
struct BatchKernels {
  ProductMethod method[2];
};

/* Whether sizes, types and pointers keep the rules of matrix.h. */
bool valid(const bcq_matrix* matrix, bcq_type type);

/* Whether row_order and row_place do: kernels read and write where they say. Looks at all rows. */
bool rows_paired(const bcq_matrix* matrix);

static inline int64_t words_per_row(const bcq_matrix* m) {
  return divide_up(m->columns, kWordBits);
}

static inline int64_t row_tiles(const bcq_matrix* m) { return divide_up(m->rows, kTileRows); }

static inline int64_t groups(const bcq_matrix* m) { return divide_up(m->columns, m->group_size); }

/* One tile of 64 rows. */
struct Tile {
  const uint32_t* words; /* [words per row][planes][64] */
  int64_t planes;
  int64_t first, rows; /* stored rows: the first, and how many there are */
};

static inline Tile tile_at(const bcq_matrix* m, int64_t index) {
  Tile tile = {m->tiles, 0, index * kTileRows, smaller(kTileRows, m->rows - index * kTileRows)};
  for (int32_t i = 0; i < m->bits; ++i) {
    if (m->plane_rows[i] > tile.first) ++tile.planes;
    const int64_t before = smaller(index, divide_up(m->plane_rows[i], kTileRows));
    tile.words += before * words_per_row(m) * kTileRows;
  }
  return tile;
}

/* Columns that a word of signs stands for: 32, or fewer in the last. */
static inline int64_t word_columns(const bcq_matrix* m, int64_t word) {
  return smaller(kWordBits, m->columns - word * kWordBits);
}

static inline int64_t group_of_word(const bcq_matrix* m, int64_t word) {
  return word * kWordBits / m->group_size;
}

/* The segments of K tile `tile`. */
static inline Segments segments_of(const bcq_matrix* m, int64_t tile) {
  Segments all;
  all.count = 0;
  const int64_t last_group = groups(m) - 1, start = tile * kTileWords;
  const int64_t end = smaller(start + kTileWords, words_per_row(m));
  for (int64_t word = start; word < end; word = all.segment[all.count++].end) {
    const int64_t group = group_of_word(m, word);
    const int64_t group_end = group == last_group ? end : (group + 1) * m->group_size / kWordBits;
    all.segment[all.count] = {word, smaller(end, group_end), group};
  }
  return all;
}

/* Scales of a plane from stored row `row` on. */
static inline const void* scales_at(const bcq_matrix* m, int64_t group, int64_t plane,
                                    int64_t row) {
  return element(m->scales, m->scale_type, (group * m->bits + plane) * m->rows + row);
}

static inline const void* offset_at(const bcq_matrix* m, int64_t group, int64_t row) {
  return element(m->offset, m->scale_type, group * m->rows + row);
}

/* The row of the original matrix that stored row `row` is. */
static inline int64_t original_row(const bcq_matrix* m, int64_t row) {
  return m->row_order == nullptr ? row : m->row_order[row];
}

}  // namespace bcq

#endif
