/* Operators of LiteRT (once TensorFlow Lite) that compute from codes, for models that
 * `bcq_tf.export_tflite(..., kernels="bcq")` wrote:
 *
 *   BcqProduct       x float32 [..., columns], codes -> y float32 [..., rows], exact
 *   BcqProductFast   the same, with the precision "fast"
 *   BcqRows          ids int32 or int64 [...], codes -> float32 [..., columns]
 *
 * `codes` is a constant uint8 tensor, the bytes of a `.bcq.npy` file of one weight.
 *
 * They come as a delegate, a plug-in as LiteRT's external delegates are, so that any interpreter
 * takes them without being compiled anew; in Python
 *
 *   Interpreter(path, experimental_delegates=[load_delegate("libbcq_litert.so")])
 *
 * or, in C and C++, one by one:
 *
 *   const char* const name = "BcqProduct";
 *   resolver.AddCustom(name, (TfLiteRegistration*)bcq_litert_operator(name));
 */
#ifndef BCQ_LITERT_BCQ_LITERT_H_
#define BCQ_LITERT_BCQ_LITERT_H_

#include <stddef.h>

#include "core/export.h"

/* The TfLiteRegistration of an operator, for as long as the library is loaded; NULL: none is so
 * called. */
BCQ_EXPORT void* bcq_litert_operator(const char* name);

/* What LiteRT calls of a delegate's library: TfLiteDelegate*, made and ended. Options: "threads",
 * how many work at a product; without it as many as the interpreter has. NULL: an option that
 * breaks its rule, of which `report` is told. */
BCQ_EXPORT void* tflite_plugin_create_delegate(char** keys, char** values, size_t options,
                                               void (*report)(const char*));
BCQ_EXPORT void tflite_plugin_destroy_delegate(void* delegate);

#endif
