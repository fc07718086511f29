/* Columns of a block, one after the other, under a quadratic form e H e^T of a row's errors e, the
 * weights less the values of their codes. See docs/kernels.md and bcq_tf/solvers/calibrated. */
#ifndef BCQ_CORE_QUADRATIC_H_
#define BCQ_CORE_QUADRATIC_H_

#include "core/export.h"
#include "core/matrix.h"
#include "core/parallel.h"

typedef struct {
  int64_t rows;            /* 0 or more */
  int64_t columns;         /* 1 or more */
  int64_t groups;          /* 1 or more, of columns that share levels */
  int64_t levels;          /* 1 to 256, of each group */
  const int32_t* group_of; /* [columns], the group of each */
  const float* values;     /* [rows][groups][levels], ascending */
  const uint8_t* codes_of; /* [rows][groups][levels] */
  const float* matrix;     /* [columns][columns], of which only the upper triangle is read */
  const float* weights;    /* [rows][columns], as all arrays below */
} bcq_block;

/* Each column in turn gets the code nearest its target, and its error times row `column` of the
 * matrix is added to the targets behind it. Writes codes and errors. */
BCQ_EXPORT bcq_status bcq_feed_back(const bcq_block* block, const float* targets, uint8_t* codes,
                                    float* errors, bcq_parallel parallel);

/* Each column in turn gets the code of least cost, all others as they are: the matrix is the block
 * of H, `pull` the errors of whole rows times its columns. Changes codes and errors. */
BCQ_EXPORT bcq_status bcq_descend(const bcq_block* block, const float* pull, uint8_t* codes,
                                  float* errors, bcq_parallel parallel);

#endif
