/* Those of 256 things, one a thread, that a block is to work on. */
#ifndef BCQ_CUDA_FOUND_H_
#define BCQ_CUDA_FOUND_H_

#include "cuda/device.h"

namespace bcq_cuda {

constexpr int kFoundIds = 256; /* that a block looks at together, one a thread */
/* Of each found its thread and row, and how many each warp found. */
constexpr int kFoundWords = 2 * kFoundIds + 8;

/* Lists the threads that are `here`, in order, and their rows: found [kFoundWords], in shared
 * memory. Returns how many there are. All 256 threads of the block. */
BCQ_DEVICE int list_found(bool here, int row, int* found) {
  int *threads = found, *rows = found + kFoundIds, *counts = found + 2 * kFoundIds;
  const uint32_t mask = ballot(here);
  if (lane_index() == 0) counts[warp_index()] = count_ones(mask);
  sync_block();
  int place = 0, all = 0;
  for (int w = 0; w < 8; ++w) {
    place += w < warp_index() ? counts[w] : 0;
    all += counts[w];
  }
  if (here) {
    place += count_ones(mask & ((1u << lane_index()) - 1));
    threads[place] = thread_index();
    rows[place] = row;
  }
  sync_block();
  return all;
}

}  // namespace bcq_cuda

#endif
