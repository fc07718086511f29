/* The matrix of binary codes as the compiled core sees it. Plain C, so that C++, CUDA, ctypes and
 * the TensorFlow ops share it.
 *
 * W[r, c] = offset[g, r] + sum_i scales[g, i, r] * sign(i, r, c),   g = c / group_size
 *
 * Rows are the stored rows, those with more bit planes first: plane i covers the first
 * plane_rows[i] of them. `row_order` and `row_place`, where they are not NULL, say which row of the
 * original matrix a stored row is, and the reverse.
 *
 * Tiles: rows are cut into tiles of 64. Tile t has as many planes as its first row. Its words stand
 * as [columns / 32, rounded up][planes of the tile][64]: bit b of a word is column 32 w + b of one
 * row, 1 means +1. Bits that stand for no weight (past the last row, the last column, or a row that
 * a plane does not cover) are 0. The tiles follow one another without gaps.
 */
#ifndef BCQ_CORE_MATRIX_H_
#define BCQ_CORE_MATRIX_H_

#include <stdint.h>

#include "core/export.h"

enum { BCQ_TILE_ROWS = 64, BCQ_WORD_BITS = 32, BCQ_MAX_BITS = 8 };

/* The most elements that any array may have: more than memory holds, and so few that no count of
 * bytes or of all arrays together overflows. */
#define BCQ_MOST_ELEMENTS (INT64_C(1) << 44)

typedef enum { BCQ_FLOAT32 = 0, BCQ_FLOAT16 = 1, BCQ_BFLOAT16 = 2 } bcq_type;

typedef struct {
  int64_t rows;              /* R */
  int64_t columns;           /* C */
  int64_t group_size;        /* columns that share scales: a multiple of 32, or `columns` */
  int32_t bits;              /* planes, 1 to 8 */
  int32_t scale_type;        /* a bcq_type: of scales and offset */
  const int64_t* plane_rows; /* [bits], falling from `rows` */
  const uint32_t* tiles;     /* [bcq_tile_words()], aligned to 64 bytes where speed matters */
  const void* scales;        /* [groups][bits][rows]; 0 where the plane does not cover the row */
  const void* offset;        /* [groups][rows] or NULL */
  const int32_t* row_order;  /* [rows] or NULL */
  const int32_t* row_place;  /* [rows] or NULL, with row_order: row_place[row_order[k]] = k */
} bcq_matrix;

/* Number of 32-bit words of all tiles; -1 where an argument breaks its rule or it overflows. */
BCQ_EXPORT int64_t bcq_tile_words(int64_t rows, int64_t columns, int32_t bits,
                                  const int64_t* plane_rows);

/* What functions of the core return. */
typedef enum {
  BCQ_OK = 0,
  BCQ_BAD_ARGUMENT = 1, /* a size, type or pointer that breaks its rule */
  BCQ_BAD_ID = 2,       /* an id that is no row */
  BCQ_NO_MEMORY = 3,
  BCQ_NO_DEVICE = 4, /* CUDA only: no device, or an error of the driver */
  BCQ_BAD_ROWS = 5,  /* CPU only: row_order and row_place that are not each other's inverse */
  BCQ_NO_FILE = 6,   /* of runtime/bcq.h: a file that cannot be opened */
  BCQ_BAD_FILE = 7,  /* the same: one that breaks a rule of its format */
  BCQ_OVER_LIMIT = 8 /* of runtime/bcq_graph.h: a run that takes more than it may */
} bcq_status;

#endif
