#include "runtime/crc32.h"

#include <array>
#include <cstring>

namespace bcq::runtime {

namespace {

constexpr int kStep = 8;  // bytes that are looked up at once, each in a table of its own
using Tables = std::array<std::array<uint32_t, 256>, kStep>;

/* tables[s][byte]: the remainder of a byte with s bytes of 0 after it. */
Tables make_tables() {
  Tables tables = {};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t rest = byte;
    for (int bit = 0; bit < 8; ++bit) rest = rest >> 1 ^ (rest & 1 ? 0xedb88320u : 0);
    tables[0][byte] = rest;
  }
  for (int s = 1; s < kStep; ++s) {
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[s - 1][byte];
      tables[s][byte] = before >> 8 ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

/* Made when first used: in the library they would take 8 kB. */
const Tables& tables() {
  static const Tables made = make_tables();
  return made;
}

}  // namespace

uint32_t crc32(uint32_t crc, const uint8_t* bytes, size_t count) {
  const Tables& of = tables();
  crc = ~crc;
  for (; count >= kStep; bytes += kStep, count -= kStep) {
    uint64_t word;
    std::memcpy(&word, bytes, kStep);
    word ^= crc;
    crc = 0;
    for (int i = 0; i < kStep; ++i) crc ^= of[kStep - 1 - i][word >> (8 * i) & 0xff];
  }
  for (; count > 0; ++bytes, --count) crc = crc >> 8 ^ of[0][(crc ^ *bytes) & 0xff];
  return ~crc;
}

}  // namespace bcq::runtime
