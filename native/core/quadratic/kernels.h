/* What is done with the columns of 16 rows at once, for each instruction set. */
#ifndef BCQ_CORE_QUADRATIC_KERNELS_H_
#define BCQ_CORE_QUADRATIC_KERNELS_H_

#include <stdint.h>

namespace bcq {

enum { kPanelRows = 16 };

/* Arrays are [columns][16] or [groups][levels][16]. */
struct Panel {
  int64_t columns, levels;
  const int32_t* group_of; /* [columns] */
  const float* matrix;     /* [columns][columns] */
  float* values;           /* of the levels, ascending */
  float* middles;          /* between each level and the one before; the first is not read */
  int32_t* codes_of;       /* the levels */
  float* weights;
  float* targets; /* or the pull; changed */
  float* errors;
  int32_t* codes;
};

struct QuadraticKernels {
  /* See bcq_feed_back and bcq_descend. */
  void (*feed_back)(const Panel& panel);
  void (*descend)(const Panel& panel);
};

}  // namespace bcq

#endif
