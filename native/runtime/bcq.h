/* Opens `.bcq.npy` files and computes from them, without Python or TensorFlow. For C11 and C++17.
 *
 *   char message[500];
 *   bcq_file* file;
 *   if (bcq_open("model.bcq.npy", &file, message, sizeof message) != BCQ_OK) return puts(message);
 *   const bcq_weight* w = bcq_find(file, "kernel");
 *   bcq_product(&w->binary, BCQ_EXACT, BCQ_FLOAT32, x, 1, y, bcq_threads(4));
 *   bcq_close(file);
 *
 * All of an open file is constant: any number of threads may use it at once. Everything that a
 * function gives belongs to the file and is gone once that is closed. docs/runtime-c.md has more.
 */
#ifndef BCQ_RUNTIME_BCQ_H_
#define BCQ_RUNTIME_BCQ_H_

#include <stddef.h>
#include <stdint.h>

#include "core/export.h"
#include "core/gather/gather.h"   /* bcq_gather: rows of binary codes; bcq_columns */
#include "core/lookup/lookup.h"   /* bcq_uniform_rows, bcq_compositional_rows */
#include "core/matrix.h"          /* bcq_matrix, bcq_type, bcq_status */
#include "core/parallel.h"        /* bcq_parallel, bcq_threads */
#include "core/product/product.h" /* bcq_product: y = x W^T of binary codes */

#ifdef __cplusplus
extern "C" {
#endif

/* What the numbers of an array are, little-endian. */
typedef enum {
  BCQ_F64 = 0,
  BCQ_F32 = 1,
  BCQ_F16 = 2,
  BCQ_BF16 = 3,
  BCQ_F8_E4M3 = 4,
  BCQ_F8_E5M2 = 5,
  BCQ_I64 = 6,
  BCQ_I32 = 7,
  BCQ_I16 = 8,
  BCQ_I8 = 9,
  BCQ_U64 = 10,
  BCQ_U32 = 11,
  BCQ_U16 = 12,
  BCQ_U8 = 13,
  BCQ_BOOL = 14 /* bytes of 0 and 1 */
} bcq_dtype;

/* An array as it stands in the file, aligned to its numbers. */
typedef struct {
  bcq_dtype dtype;
  int32_t rank;         /* 0 to 32; 0: one number */
  const int64_t* shape; /* [rank] */
  const void* data;     /* in row-major order */
  int64_t bytes;        /* of all numbers; may be 0 */
} bcq_array;

typedef enum { BCQ_ARRAY = 0, BCQ_BINARY = 1, BCQ_UNIFORM = 2, BCQ_COMPOSITIONAL = 3 } bcq_kind;

/* A weight of a file. Of the last four members that of its kind is filled, the others are zeros. */
typedef struct {
  const char* name; /* UTF-8 */
  bcq_kind kind;
  int64_t rows, columns; /* of the matrix that codes stand for; 0 for arrays */
  bcq_array array;
  bcq_matrix binary; /* scales of BCQ_FLOAT16, or of BCQ_FLOAT32 where the file has longer ones */
  bcq_uniform uniform;
  bcq_compositional compositional;
} bcq_weight;

typedef struct bcq_file bcq_file;

/* The version of the library, as "0.1.0". */
BCQ_EXPORT const char* bcq_version(void);

/* Maps a file, read-only, and checks all of it; it may be hostile. *file is NULL unless the result
 * is BCQ_OK. BCQ_NO_FILE: it cannot be opened; BCQ_BAD_FILE: it breaks the format, see
 * docs/file-format.md; BCQ_NO_MEMORY: also where codes would take far more memory than the file.
 * Then `message`, of so many bytes (500 suffice; or NULL), gets one line that says what is wrong,
 * else an empty one. Replace a file that is open, never change or cut it in place. */
BCQ_EXPORT bcq_status bcq_open(const char* path, bcq_file** file, char* message,
                               size_t message_size);

/* The same of a file's bytes, aligned to 8, which must stay as they are until it is closed. */
BCQ_EXPORT bcq_status bcq_open_memory(const void* data, size_t size, bcq_file** file, char* message,
                                      size_t message_size);

/* NULL is no file and closes nothing. */
BCQ_EXPORT void bcq_close(bcq_file* file);

/* The weights, from 0 to bcq_count() - 1 in the order in which they were saved; NULL: there is no
 * such one. */
BCQ_EXPORT int64_t bcq_count(const bcq_file* file);
BCQ_EXPORT const bcq_weight* bcq_at(const bcq_file* file, int64_t index);
BCQ_EXPORT const bcq_weight* bcq_find(const bcq_file* file, const char* name);

/* The file's metadata: the text of a JSON object, UTF-8, with a 0 after it. *size (or NULL): its
 * bytes without that. */
BCQ_EXPORT const char* bcq_metadata(const bcq_file* file, size_t* size);

/* Rows of codes of any kind: ids [count] -> out [count, columns]. BCQ_BAD_ID leaves `out`
 * unspecified and tells the first bad id's index in *bad (or NULL). An array is a
 * BCQ_BAD_ARGUMENT. */
BCQ_EXPORT bcq_status bcq_rows(const bcq_weight* weight, const int64_t* ids, int64_t count,
                               float* out, int64_t* bad, bcq_parallel parallel);

#ifdef __cplusplus
}
#endif

#endif
