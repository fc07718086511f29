/* Runs the functions of files that `bcq_tf.export_runtime` wrote. For C11 and C++17.
 *
 *   bcq_model* model;
 *   if (bcq_load(file, &model, message, sizeof message) != BCQ_OK) return puts(message);
 *   const int64_t shape[] = {1, 3};
 *   const int32_t ids[] = {5, 6, 7};
 *   const bcq_array source = {BCQ_I32, 2, shape, ids, sizeof ids};
 *   bcq_array found;
 *   bcq_status status = bcq_run(model, "greedy", &source, 1, &found, 1, parallel, NULL, 0);
 *   ...                               numbers of found.dtype at found.data, if that is BCQ_OK
 *   bcq_unload(model);
 *
 * docs/runtime.md has the format and what operations there are. They compute with float32, float64,
 * int32, int64, uint8, uint32 and bool; float16 is computed in float32 and rounded after each
 * operation; other dtypes are only moved and cast. A model is for one thread at a time, a file for
 * any number of models.
 */
#ifndef BCQ_RUNTIME_BCQ_GRAPH_H_
#define BCQ_RUNTIME_BCQ_GRAPH_H_

#include "bcq.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { BCQ_MOST_AXES = 8, BCQ_ANY = -1 };

/* What an input of a function must be. */
typedef struct {
  const char* name;             /* UTF-8 */
  int32_t dtype;                /* a bcq_dtype, or BCQ_ANY */
  int32_t rank;                 /* or BCQ_ANY */
  int64_t shape[BCQ_MOST_AXES]; /* [rank], with BCQ_ANY where any length will do */
} bcq_input;

typedef struct bcq_model bcq_model;

/* Reads and checks the graph of a file, which must stay open as long as the model. *model is NULL
 * unless the result is BCQ_OK. BCQ_BAD_FILE: it has no graph, or one that breaks a rule. `message`
 * as that of bcq_open. */
BCQ_EXPORT bcq_status bcq_load(const bcq_file* file, bcq_model** model, char* message,
                               size_t message_size);

/* NULL is no model. */
BCQ_EXPORT void bcq_unload(bcq_model* model);

/* The functions, from 0 to bcq_function_count() - 1; NULL: there is no such one. */
BCQ_EXPORT int64_t bcq_function_count(const bcq_model* model);
BCQ_EXPORT const char* bcq_function_name(const bcq_model* model, int64_t index);

/* How many inputs and outputs a function has; -1: there is no such one. */
BCQ_EXPORT int64_t bcq_input_count(const bcq_model* model, const char* function);
BCQ_EXPORT int64_t bcq_output_count(const bcq_model* model, const char* function);
BCQ_EXPORT const bcq_input* bcq_input_at(const bcq_model* model, const char* function,
                                         int64_t index);

/* How the outputs are put together: JSON, in which numbers stand for outputs. */
BCQ_EXPORT const char* bcq_function_structure(const bcq_model* model, const char* function);

/* What a run may take at most: bytes of memory, and operations, which are the nodes that run and,
 * roughly, the numbers that they compute. 0 or less: no bound. At first 4 GiB and no bound. */
BCQ_EXPORT void bcq_set_limits(bcq_model* model, int64_t bytes, int64_t operations);

/* Runs a function. Inputs are aligned to their numbers, booleans are 0 and 1. The outputs stand in
 * memory of the model until the next run has ended, so that they may be inputs of that one; where
 * that fails they stay. BCQ_BAD_ARGUMENT: inputs are not what the function takes, or shapes or
 * dtypes not what an operation takes; BCQ_BAD_ID: an id is none; BCQ_OVER_LIMIT, BCQ_NO_MEMORY.
 * `message` as that of bcq_open. */
BCQ_EXPORT bcq_status bcq_run(bcq_model* model, const char* function, const bcq_array* inputs,
                              int64_t input_count, bcq_array* outputs, int64_t output_count,
                              bcq_parallel parallel, char* message, size_t message_size);

/* Takes the memory that runs of such inputs need: those that follow, of inputs of the same shapes
 * on the same thread and with as many turns of their loops, take none. It runs the function twice.
 */
BCQ_EXPORT bcq_status bcq_prepare(bcq_model* model, const char* function, const bcq_array* inputs,
                                  int64_t input_count, bcq_parallel parallel, char* message,
                                  size_t message_size);

#ifdef __cplusplus
}
#endif

#endif
