/* BCQ_EXPORT: what a library shows to those who load it; all else is hidden. */
#ifndef BCQ_CORE_EXPORT_H_
#define BCQ_CORE_EXPORT_H_

#define BCQ_EXPORT __attribute__((visibility("default")))

#endif
