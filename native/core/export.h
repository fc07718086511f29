/* BCQ_EXPORT: a function of the C interface, shown to those who load the library; all else is
 * hidden. */
#ifndef BCQ_CORE_EXPORT_H_
#define BCQ_CORE_EXPORT_H_

#ifdef __cplusplus
#define BCQ_EXPORT extern "C" __attribute__((visibility("default")))
#else
#define BCQ_EXPORT __attribute__((visibility("default")))
#endif

#endif
