/* core/embedding/embedding.h for CUDA: all memory but `tables` is the device's, the work is put on
 * `stream` and not waited for. What is wrong with an id shows in the result alone: NaN in its row;
 * it counts for nothing in the gradient. */
#ifndef BCQ_CUDA_EMBEDDING_H_
#define BCQ_CUDA_EMBEDDING_H_

#include "core/embedding/embedding.h"
#include "core/export.h"

/* ids [batch, tables] -> out [batch, columns]. */
BCQ_EXPORT bcq_status bcq_cuda_tables_gather(const bcq_tables* tables, bcq_type type,
                                             const void* table, bcq_ids ids, int64_t batch,
                                             void* out, void* stream);

/* Bytes that the gradient needs beside its result; -1: an argument breaks its rule. */
BCQ_EXPORT int64_t bcq_cuda_tables_gradient_workspace(const bcq_tables* tables, bcq_type type,
                                                      int64_t batch, int32_t deterministic);

/* dout [batch, columns] -> dtable, all of it: float32 sums, rounded once. Where `deterministic` is
 * not 0 the order of each sum depends on the sizes alone; else it is any. */
BCQ_EXPORT bcq_status bcq_cuda_tables_gradient(const bcq_tables* tables, bcq_type type, bcq_ids ids,
                                               int64_t batch, const void* dout, void* dtable,
                                               int32_t deterministic, void* workspace,
                                               void* stream);

#endif
