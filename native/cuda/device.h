/* What kernels ask of the machine: threads, warps, matrix products, memory. Without nvcc the same
 * names come from an emulator, so that the kernels themselves are tested on the CPU. */
#ifndef BCQ_CUDA_DEVICE_H_
#define BCQ_CUDA_DEVICE_H_

#include "cuda/index.h"

#ifndef __CUDACC__
#include "tests/cuda_emulator.h"
#else

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#define BCQ_DEVICE __device__ __forceinline__
#define BCQ_UNROLL _Pragma("unroll")
#define BCQ_DEVICE_CALL static __device__ __noinline__
#define BCQ_KERNEL(...) __global__ void __launch_bounds__(__VA_ARGS__) /* threads, blocks */
#define BCQ_ARGUMENTS(type) const __grid_constant__ type /* in constant memory, never copied */

namespace bcq_cuda {

using Words4 = uint4;

BCQ_DEVICE int thread_index() { return static_cast<int>(threadIdx.x); }
BCQ_DEVICE int thread_count() { return static_cast<int>(blockDim.x); }
BCQ_DEVICE int64_t block_index() { return blockIdx.x; }
BCQ_DEVICE int64_t block_count() { return gridDim.x; }
BCQ_DEVICE int lane_index() { return thread_index() & 31; }
/* The same for all of a warp, which the compiler is told so. */
BCQ_DEVICE int warp_index() { return __shfl_sync(0xffffffffu, thread_index() >> 5, 0); }

/* The block's shared memory, as many bytes as the launch says. */
BCQ_DEVICE void* shared_memory() {
  extern __shared__ uint4 bcq_shared[];
  return bcq_shared;
}

BCQ_DEVICE void sync_block() { __syncthreads(); }
BCQ_DEVICE float shuffle_xor(float value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}
BCQ_DEVICE uint32_t reduce_max(uint32_t value) { return __reduce_max_sync(0xffffffffu, value); }
BCQ_DEVICE uint32_t ballot(bool value) { return __ballot_sync(0xffffffffu, value); }
BCQ_DEVICE int count_ones(uint32_t value) { return __popc(value); }

BCQ_DEVICE float multiply(float a, float b) { return __fmul_rn(a, b); }
BCQ_DEVICE float add(float a, float b) { return __fadd_rn(a, b); }
BCQ_DEVICE float multiply_add(float a, float b, float c) { return __fmaf_rn(a, b, c); }
BCQ_DEVICE int rounded(float value) { return __float2int_rn(value); }
BCQ_DEVICE uint32_t bits_of(float value) { return __float_as_uint(value); }
BCQ_DEVICE float float_of(uint32_t bits) { return __uint_as_float(bits); }
BCQ_DEVICE float float_of_half(uint16_t bits) { return __half2float(__ushort_as_half(bits)); }
BCQ_DEVICE uint16_t half_of(float value) { return __half_as_ushort(__float2half_rn(value)); }
BCQ_DEVICE uint16_t bfloat16_of(float value) {
  return __bfloat16_as_ushort(__float2bfloat16_rn(value));
}

/* Read-only data. */
template <class T>
BCQ_DEVICE T load(const T* place) {
  return __ldg(place);
}
BCQ_DEVICE Words4 load4(const uint32_t* place) { /* aligned to 16 bytes */
  return __ldg(reinterpret_cast<const uint4*>(place));
}

/* *place = the smaller of *place and value. */
BCQ_DEVICE void atomic_least(uint64_t* place, uint64_t value) {
  atomicMin(reinterpret_cast<unsigned long long*>(place), static_cast<unsigned long long>(value));
}

/* *place += value, in no order. */
BCQ_DEVICE void atomic_add(float* place, float value) { atomicAdd(place, value); }

/* Both halves: a + b rounded once. Before sm_90 there is fma alone. */
BCQ_DEVICE uint32_t add_bfloat16(uint32_t a, uint32_t b) {
  uint32_t sum;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(sum) : "r"(a), "r"(0x3f803f80u), "r"(b));
  return sum;
}

/* c += A B: A int8 [16, 32], B int8 [32, 8], c int32 [16, 8]; fragments as PTX has them. Volatile,
 * so that it is not moved to where the lanes have parted. */
BCQ_DEVICE void multiply_int8(int (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* c += A B: A bfloat16 [16, 16], B bfloat16 [16, 8], c float32 [16, 8]. */
BCQ_DEVICE void multiply_bfloat16(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* 16 bytes from global to shared memory, there after wait_for_copies() and a barrier. */
BCQ_DEVICE void copy16(uint32_t* shared, const uint32_t* global) {
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(address), "l"(global) : "memory");
}
BCQ_DEVICE void wait_for_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }

}  // namespace bcq_cuda

#endif

namespace bcq_cuda {

BCQ_DEVICE bool is_finite(float value) { return (bits_of(value) & 0x7f800000u) != 0x7f800000u; }

constexpr int kThreads = 256; /* of a block, where nothing else is said */

/* Runs work(i) for each i below `count`, which the threads of all blocks share. */
template <class Work>
BCQ_DEVICE void for_each(int64_t count, const Work& work) {
  const int64_t stride = block_count() * thread_count();
  for (int64_t i = block_index() * thread_count() + thread_index(); i < count; i += stride) work(i);
}

/* Element `index` of an array of a bcq_type, as float32. */
BCQ_DEVICE float load_as_float(const void* data, int type, int64_t index) {
  if (type == BCQ_FLOAT32) return load(static_cast<const float*>(data) + index);
  const uint16_t bits = load(static_cast<const uint16_t*>(data) + index);
  return type == BCQ_FLOAT16 ? float_of_half(bits) : float_of(static_cast<uint32_t>(bits) << 16);
}

/* Elements index to index + 3, of which the first `count` exist; the others are 0. */
BCQ_DEVICE void load_four(const void* data, int type, int64_t index, int count, float (&v)[4]) {
  if (type == BCQ_FLOAT32) {
    const float* place = static_cast<const float*>(data) + index;
    BCQ_UNROLL
    for (int i = 0; i < 4; ++i) v[i] = i < count ? load(place + i) : 0.0f;
    return;
  }
  const uint16_t* place = static_cast<const uint16_t*>(data) + index;
  BCQ_UNROLL
  for (int i = 0; i < 4; ++i) {
    const uint16_t bits = i < count ? load(place + i) : uint16_t{0};
    v[i] = type == BCQ_FLOAT16 ? float_of_half(bits) : float_of(static_cast<uint32_t>(bits) << 16);
  }
}

BCQ_DEVICE void store_as(void* data, int type, int64_t index, float value) {
  if (type == BCQ_FLOAT32) {
    static_cast<float*>(data)[index] = value;
  } else {
    static_cast<uint16_t*>(data)[index] = type == BCQ_FLOAT16 ? half_of(value) : bfloat16_of(value);
  }
}

}  // namespace bcq_cuda

#endif
