#include "cpu.h"

#include <cstdlib>
#include <cstring>

#include "export.h"

namespace {

bcq_isa best() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("f16c");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512vbmi") &&
                      __builtin_cpu_supports("avx512vnni");
  if (avx2 && avx512) return BCQ_AVX512;
  if (avx2) return BCQ_AVX2;
#endif
  return BCQ_PORTABLE;
}

bcq_isa choose() {
  const bcq_isa most = best();
  const char* wanted = std::getenv("BCQ_TF_ISA");
  if (wanted == nullptr) return most;
  for (int isa = BCQ_PORTABLE; isa <= most; ++isa) {
    const bcq_isa candidate = static_cast<bcq_isa>(isa);
    if (std::strcmp(wanted, bcq_isa_name(candidate)) == 0) return candidate;
  }
  return most;
}

}  // namespace

extern "C" {

BCQ_EXPORT bcq_isa bcq_cpu_isa(void) {
  static const bcq_isa isa = choose();
  return isa;
}

BCQ_EXPORT const char* bcq_isa_name(bcq_isa isa) {
  switch (isa) {
    case BCQ_AVX512:
      return "avx512";
    case BCQ_AVX2:
      return "avx2";
    default:
      return "portable";
  }
}

}  // extern "C"
