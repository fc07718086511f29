/* AVX-512 with VBMI, VNNI and GFNI, and the tiles of AMX with products of 8-bit integers. */
#include "core/isa/instruction_set.h"

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace bcq {

namespace avx512 {
extern const InstructionSet kSet;
}

namespace amx {

extern const BatchKernels kBatch;

/* The system saves the tiles of those processes alone that have asked for it. */
static bool permitted() {
#ifdef __linux__
  constexpr long kRequest = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
#else
  return false;
#endif
}

static bool supported() {
  return avx512::kSet.supported() && __builtin_cpu_supports("gfni") &&
         __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-int8") && permitted();
}

extern const InstructionSet kSet = {"amx",   supported, nullptr, nullptr, nullptr,
                                    nullptr, nullptr,   nullptr, &kBatch};

}  // namespace amx
}  // namespace bcq
