/* Planes of signs as files have them, in the tiles of core/matrix.h. */
#ifndef BCQ_RUNTIME_TILES_H_
#define BCQ_RUNTIME_TILES_H_

#include <cstdint>

#include "core/matrix.h"

namespace bcq::runtime {

/* planes: [sum of plane_rows, ceil(columns / 32)], one below the other; tiles: zeros. */
void fill_tiles(const uint32_t* planes, const bcq_matrix& sizes, uint32_t* tiles);

}  // namespace bcq::runtime

#endif
