/* Float matrix -> binary codes by alternating least squares with a search, see docs/kernels.md. */
#ifndef BCQ_CORE_SOLVER_H_
#define BCQ_CORE_SOLVER_H_

#include "../matrix.h"
#include "../parallel.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { BCQ_FULL = 0, BCQ_LOW = 1, BCQ_WARM = 2 } bcq_effort;

#ifdef __cplusplus
}
#endif

#endif
