/* The size of tiles: see matrix.h. */
#ifndef BCQ_CORE_TILE_H_
#define BCQ_CORE_TILE_H_

#include "core/export.h"
#include "core/matrix.h"

/* Number of 32-bit words of all tiles; -1 where an argument breaks its rule or it overflows. */
BCQ_EXPORT int64_t bcq_tile_words(int64_t rows, int64_t columns, int32_t bits,
                                  const int64_t* plane_rows);

#endif
