/* Rows of embedding tables that stand back to back in one array, and their gradients.
 *
 * Table t is [sizes[t], dims[t]], row after row, and begins where table t - 1 ends. A row of the
 * batch has one id for each table; its result is the tables' rows one after the other, as many
 * columns as all dims together.
 */
#ifndef BCQ_CORE_EMBEDDING_EMBEDDING_H_
#define BCQ_CORE_EMBEDDING_EMBEDDING_H_

#include "core/export.h"
#include "core/ids.h"
#include "core/matrix.h"
#include "core/parallel.h"

typedef struct {
  int64_t count;        /* 1 or more */
  const int64_t* sizes; /* [count], 0 or more */
  const int64_t* dims;  /* [count], 1 or more */
} bcq_tables;

/* ids [batch, tables] -> out [batch, columns] of the tables' `type`. BCQ_BAD_ID leaves `out`
 * unspecified and tells the first bad id's index, of batch * tables, in *bad. */
BCQ_EXPORT bcq_status bcq_tables_gather(const bcq_tables* tables, bcq_type type, const void* table,
                                        bcq_ids ids, int64_t batch, void* out, int64_t* bad,
                                        bcq_parallel parallel);

/* The gradient: dout [batch, columns] -> dtable, all of it, 0 where no id is. Each element is a
 * float32 sum in the order of the batch, rounded once to `type`, whatever `parallel` is. */
BCQ_EXPORT bcq_status bcq_tables_gradient(const bcq_tables* tables, bcq_type type, bcq_ids ids,
                                          int64_t batch, const void* dout, void* dtable,
                                          int64_t* bad, bcq_parallel parallel);

/* The different ones among `count` ids from 0 to size - 1, in the order in which they come first:
 * unique [*found, at most count], of the width of the ids; slots [count] is the place of each id
 * there. count is below 2^31. */
BCQ_EXPORT bcq_status bcq_unique_ids(bcq_ids ids, int64_t count, int64_t size, void* unique,
                                     int32_t* slots, int64_t* found, int64_t* bad);

#endif
