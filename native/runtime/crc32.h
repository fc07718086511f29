/* CRC-32 as zlib computes it. */
#ifndef BCQ_RUNTIME_CRC32_H_
#define BCQ_RUNTIME_CRC32_H_

#include <cstddef>
#include <cstdint>

namespace bcq::runtime {

/* The checksum of what `crc` is that of, 0 for nothing, with so many more bytes. */
uint32_t crc32(uint32_t crc, const uint8_t* bytes, size_t count);

}  // namespace bcq::runtime

#endif
