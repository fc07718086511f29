/* Float matrix -> binary codes by alternating least squares with a search, see docs/kernels.md.
 *
 * Each row is cut into groups of columns, and each group is solved on its own. Its params are, in
 * this order, the offset where there is one, then a scale for each bit plane: m = bits + offset
 * numbers. Arrays of params are [m][rows][groups]. Planes are as in matrix.h before they are
 * tiled: planes[i] is [rows][columns / 32, rounded up], row-major. */
#ifndef BCQ_CORE_SOLVER_H_
#define BCQ_CORE_SOLVER_H_

#include "core/export.h"
#include "core/matrix.h"
#include "core/parallel.h"

enum {
  BCQ_CANDIDATES = 16,   /* tried at once for each group */
  BCQ_MAX_TABULATED = 4, /* bits; more start from solutions of fewer */
  BCQ_E5M4 = 3           /* of scales, beside the bcq_types: a float16 with 4 bits of mantissa;
                          * an offset is rounded to float16 then */
};

typedef struct {
  int64_t rows;           /* R, 1 or more */
  int64_t columns;        /* C, 1 or more */
  int64_t group_size;     /* a multiple of 32, or `columns`; below 2^30 */
  int32_t bits;           /* 1 to 8 */
  int32_t offset;         /* 1: each group has one, 0: none */
  int32_t scale_type;     /* BCQ_E5M4, BCQ_FLOAT16 or BCQ_FLOAT32: what params are rounded to */
  int32_t is_double;      /* 1: values and importance are double, 0: float */
  const void* values;     /* [rows][columns], finite */
  const void* importance; /* [rows][columns], not negative, finite; or NULL */
} bcq_problem;

/* How much to search, and where. */
typedef struct {
  int32_t rounds;   /* from each start and in each batch */
  int32_t batches;  /* of BCQ_CANDIDATES perturbed elites */
  int32_t elites;   /* candidates kept: 8 or 16 */
  int32_t polished; /* best ones that alternate to convergence: 1 to 8 */
  /* Scales over the mean magnitude, for each number of bits from 2 up to `bits`, at most
   * BCQ_MAX_TABULATED: [bits][BCQ_CANDIDATES]. */
  const double* starts[BCQ_MAX_TABULATED + 1];
  /* The noise of candidates of m params, m from 3 up to bits + offset:
   * [batches][m][BCQ_CANDIDATES], and e^noise. */
  const double* noise[BCQ_MAX_BITS + 2];
  const double* growth[BCQ_MAX_BITS + 2];
} bcq_search;

/* Params of small squared error sum h (w - w^)^2, rounded to scale_type, scales not negative and in
 * descending order; and the signs that are nearest for them. One bit, and two bits without an
 * offset, are solved exactly.
 *
 * search: NULL for three rounds from `start` and no more. start: params of an earlier solve or
 * NULL; the result is never worse. A param too large for scale_type comes out as infinity. The
 * result does not depend on `parallel`. */
BCQ_EXPORT bcq_status bcq_solve(const bcq_problem* problem, const bcq_search* search,
                                const double* start, double* params, uint32_t* const* planes,
                                bcq_parallel parallel);

#endif
