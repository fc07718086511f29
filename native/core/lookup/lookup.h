/* Rows of tables of packed integers: of levels within one clipping limit, and of indexes into
 * codebooks whose vectors are added. bcq_tf/uniform_codes.py and compositional_codes.py say what
 * they stand for.
 *
 * Fields of `bits` bits stand back to back in a row of bytes: field c takes the bits c bits to
 * (c + 1) bits - 1, bit t being bit t % 8 of byte t / 8; a row is ceil(fields bits / 8) bytes.
 */
#ifndef BCQ_CORE_LOOKUP_LOOKUP_H_
#define BCQ_CORE_LOOKUP_LOOKUP_H_

#include "core/export.h"
#include "core/ids.h"
#include "core/matrix.h"
#include "core/parallel.h"

/* W[r, c] = half_step (2 k[r, c] - (2^bits - 1)); 0 in the rows that zero_rows marks. */
typedef struct {
  int64_t rows;    /* 0 or more */
  int64_t columns; /* fields of a row, 1 or more */
  int32_t bits;    /* 1 to 8 */
  float half_step;
  const uint8_t* packed;    /* [rows][ceil(columns bits / 8)] */
  const uint8_t* zero_rows; /* [ceil(rows / 8)]: row r is bit r % 8 of byte r / 8; or NULL */
} bcq_uniform;

/* W[r] = the sum over m of codebooks[m, index[r, m]]. */
typedef struct {
  int64_t rows;          /* 0 or more */
  int64_t count;         /* codebooks, and fields of a row, 1 or more */
  int64_t entries;       /* of a codebook, 1 to 2^bits; an index beyond is BCQ_BAD_ARGUMENT */
  int64_t columns;       /* of a vector, 1 or more */
  int32_t bits;          /* 1 to 16 */
  bcq_type type;         /* of the codebooks, BCQ_FLOAT32 or BCQ_FLOAT16 */
  const uint8_t* packed; /* [rows][ceil(count bits / 8)] */
  const void* codebooks; /* [count][entries][columns]; count entries is below 2^31 */
} bcq_compositional;

/* ids [count] -> out [count, columns]: one product a number. BCQ_BAD_ID leaves `out` unspecified
 * and tells the first bad id's index in *bad. */
BCQ_EXPORT bcq_status bcq_uniform_rows(const bcq_uniform* table, bcq_ids ids, int64_t count,
                                       float* out, int64_t* bad, bcq_parallel parallel);

/* Likewise: float32 sums in the order of the codebooks, from 0 on. */
BCQ_EXPORT bcq_status bcq_compositional_rows(const bcq_compositional* table, bcq_ids ids,
                                             int64_t count, float* out, int64_t* bad,
                                             bcq_parallel parallel);

#endif
