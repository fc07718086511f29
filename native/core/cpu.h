/* Which instructions the kernels use, chosen once when the program runs. */
#ifndef BCQ_CORE_CPU_H_
#define BCQ_CORE_CPU_H_

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { BCQ_PORTABLE = 0, BCQ_AVX2 = 1, BCQ_AVX512 = 2 } bcq_isa;

/* The best that this processor has (AVX512: F, BW, DQ, VL, VBMI and VNNI; AVX2: with FMA and F16C),
 * or what the environment variable BCQ_TF_ISA asks for ("portable", "avx2", "avx512") where the
 * processor has it. */
bcq_isa bcq_cpu_isa(void);

/* "portable", "avx2" or "avx512". */
const char* bcq_isa_name(bcq_isa isa);

#ifdef __cplusplus
}
#endif

#endif
