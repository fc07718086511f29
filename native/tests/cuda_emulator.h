/* CUDA's threads on the CPU, for tests: cuda/device.h without nvcc.
 *
 * The threads of a block are fibers that run one at a time, each until it must wait for others: at
 * a barrier, or where a warp works together. A warp runs as far as it comes without the others. The
 * order of warps and lanes is the test's choice, so that a result that depends on it (a barrier is
 * missing) shows. Shared memory is exactly as large as the
 * launch says and holds junk at first. Asynchronous copies arrive when they are waited for, not
 * before. Matrix products follow the fragments that the PTX manual defines.
 */
#ifndef BCQ_TESTS_CUDA_EMULATOR_H_
#define BCQ_TESTS_CUDA_EMULATOR_H_

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "cuda/index.h"

#define BCQ_DEVICE inline
#define BCQ_UNROLL
#define BCQ_DEVICE_CALL static inline
#define BCQ_KERNEL(...) void
#define BCQ_ARGUMENTS(type) type

namespace bcq_cuda {

struct alignas(16) Words4 {
  uint32_t x, y, z, w;
};

namespace emulator {

enum class Order { kForward, kBackward, kShuffled };
inline Order order = Order::kForward;
inline int64_t launches = 0;

[[noreturn]] inline void fail(const char* what) {
  fprintf(stderr, "cuda_emulator: %s\n", what);
  abort();
}

/* Those who wait until `members` have come. */
struct Barrier {
  int members = 0, arrived = 0;
  int64_t round = 0;
};

constexpr int kOperands = 8;

struct Warp {
  Barrier barrier;
  uint32_t operands[2][32][kOperands];
  const char* operation[2][32];
};

struct Copy {
  uint32_t* to;
  const uint32_t* from;
};

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack;
  bool done;
  const Barrier* waits;
  int64_t round;
  int64_t exchanges;
  std::vector<Copy> copies;
};

constexpr size_t kStackBytes = 16 * 1024; /* AddressSanitizer clears it at every switch */

/* The block that runs now. */
struct Block {
  int64_t index = 0, count = 0;
  int threads = 0, current = 0;
  ucontext_t scheduler;
  Barrier barrier;
  std::vector<Warp> warps;
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::unique_ptr<Words4[]> shared;
  std::function<void()> kernel;

  Fiber& fiber() { return *fibers[static_cast<size_t>(current)]; }
  Warp& warp() { return warps[static_cast<size_t>(current / 32)]; }
};

inline Block block;

inline void wait_at(Barrier& barrier) {
  if (++barrier.arrived == barrier.members) {
    barrier.arrived = 0;
    ++barrier.round;
    return;
  }
  Fiber& fiber = block.fiber();
  fiber.waits = &barrier;
  fiber.round = barrier.round;
  swapcontext(&fiber.context, &block.scheduler);
}

inline void run_fiber() {
  block.kernel();
  block.fiber().done = true;
  swapcontext(&block.fiber().context, &block.scheduler);
}

/* What all lanes of the warp bring to an operation; valid until the lane's next but one. */
inline const uint32_t (*exchange(const char* operation,
                                 const uint32_t (&mine)[kOperands]))[kOperands] {
  Fiber& fiber = block.fiber();
  Warp& warp = block.warp();
  const int lane = block.current % 32;
  const int64_t side = fiber.exchanges++ % 2;
  memcpy(warp.operands[side][lane], mine, sizeof(mine));
  warp.operation[side][lane] = operation;
  wait_at(warp.barrier);
  for (const char* other : warp.operation[side]) {
    if (other != operation && strcmp(other, operation) != 0) fail("the lanes of a warp part");
  }
  return warp.operands[side];
}

inline std::vector<int> ordered(int count, std::mt19937& random) {
  std::vector<int> numbers(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    numbers[static_cast<size_t>(i)] = order == Order::kBackward ? count - 1 - i : i;
  }
  if (order == Order::kShuffled) std::shuffle(numbers.begin(), numbers.end(), random);
  return numbers;
}

/* Runs a thread until it waits or ends; false where it cannot go on. */
inline bool run_thread(int thread, int& left) {
  block.current = thread;
  Fiber& fiber = block.fiber();
  if (fiber.done || (fiber.waits && fiber.waits->round == fiber.round)) return false;
  fiber.waits = nullptr;
  swapcontext(&block.scheduler, &fiber.context);
  left -= fiber.done;
  return true;
}

/* Runs a warp as far as it comes without the others. */
inline bool run_warp(int warp, int& left, std::mt19937& random) {
  const std::vector<int> lanes = ordered(32, random);
  bool moved = false;
  for (bool more = true; more; moved |= more) {
    more = false;
    for (int lane : lanes) more |= run_thread(warp * 32 + lane, left);
  }
  return moved;
}

inline void start_fibers() {
  while (block.fibers.size() < static_cast<size_t>(block.threads)) {
    block.fibers.push_back(std::make_unique<Fiber>());
    block.fibers.back()->stack.reset(new char[kStackBytes]);
  }
  for (int i = 0; i < block.threads; ++i) {
    Fiber& fiber = *block.fibers[static_cast<size_t>(i)];
    fiber.done = false;
    fiber.waits = nullptr;
    fiber.exchanges = 0;
    fiber.copies.clear();
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStackBytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, run_fiber, 0);
  }
}

inline void run_block(int shared_bytes, std::mt19937& random) {
  block.barrier = {block.threads, 0, 0};
  block.warps.assign(static_cast<size_t>(block.threads / 32), Warp{});
  for (Warp& warp : block.warps) warp.barrier.members = 32;
  const size_t vectors = static_cast<size_t>(shared_bytes + 15) / 16;
  block.shared.reset(new Words4[vectors]);
  memset(static_cast<void*>(block.shared.get()), 0xcd, vectors * 16);
  start_fibers();
  for (int left = block.threads; left > 0;) {
    bool moved = false;
    for (int warp : ordered(block.threads / 32, random)) moved |= run_warp(warp, left, random);
    if (!moved) fail("threads wait for ever");
  }
}

}  // namespace emulator

inline int thread_index() { return emulator::block.current; }
inline int thread_count() { return emulator::block.threads; }
inline int64_t block_index() { return emulator::block.index; }
inline int64_t block_count() { return emulator::block.count; }
inline int lane_index() { return thread_index() & 31; }
inline int warp_index() { return thread_index() >> 5; }
inline void* shared_memory() { return emulator::block.shared.get(); }
inline void sync_block() { emulator::wait_at(emulator::block.barrier); }

inline uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return bits;
}
inline float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

inline float shuffle_xor(float value, int mask) {
  const auto lanes = emulator::exchange("shuffle", {bits_of(value)});
  return float_of(lanes[lane_index() ^ mask][0]);
}
inline uint32_t reduce_max(uint32_t value) {
  const auto lanes = emulator::exchange("max", {value});
  for (int i = 0; i < 32; ++i) value = lanes[i][0] > value ? lanes[i][0] : value;
  return value;
}
inline uint32_t ballot(bool value) {
  const auto lanes = emulator::exchange("ballot", {value});
  uint32_t mask = 0;
  for (int i = 0; i < 32; ++i) mask |= lanes[i][0] << i;
  return mask;
}
inline int count_ones(uint32_t value) { return __builtin_popcount(value); }

inline float multiply(float a, float b) { return a * b; }
inline float add(float a, float b) { return a + b; }
inline float multiply_add(float a, float b, float c) { return std::fma(a, b, c); }
inline int rounded(float value) { return static_cast<int>(std::nearbyint(value)); }

inline float float_of_half(uint16_t bits) {
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  const float sign = bits & 0x8000 ? -1.0f : 1.0f;
  if (exponent == 31) return mantissa ? NAN : sign * INFINITY;
  return sign * (exponent ? std::ldexp(1024.0f + static_cast<float>(mantissa), exponent - 25)
                          : std::ldexp(static_cast<float>(mantissa), -24));
}
inline uint16_t half_of(float value) {
  const uint16_t sign = static_cast<uint16_t>(bits_of(value) >> 16 & 0x8000);
  const float magnitude = std::fabs(value);
  if (std::isnan(value)) return 0x7fff;
  if (magnitude >= 65520.0f) return static_cast<uint16_t>(sign | 0x7c00);
  const int exponent = magnitude < 6.103515625e-5f ? -14 : std::ilogb(magnitude);
  const int steps = static_cast<int>(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));
  return static_cast<uint16_t>(sign | (((exponent + 14) << 10) + steps));
}
inline uint16_t bfloat16_of(float value) {
  const uint32_t bits = bits_of(value);
  if (std::isnan(value)) return 0x7fff;
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
inline float float_of_bfloat16(uint32_t bits) { return float_of(bits << 16); }

template <class T>
T load(const T* place) {
  return *place;
}
inline Words4 load4(const uint32_t* place) {
  if (reinterpret_cast<uintptr_t>(place) % 16) emulator::fail("a vector is not aligned");
  return *reinterpret_cast<const Words4*>(place);
}
inline void atomic_least(uint64_t* place, uint64_t value) { *place = least(*place, value); }
inline void atomic_add(float* place, float value) { *place += value; }

inline uint32_t add_bfloat16(uint32_t a, uint32_t b) {
  const uint32_t low = bfloat16_of(float_of_bfloat16(a & 0xffff) + float_of_bfloat16(b & 0xffff));
  const uint32_t high = bfloat16_of(float_of_bfloat16(a >> 16) + float_of_bfloat16(b >> 16));
  return low | high << 16;
}

/* The lane's four results of [16, k] x [k, 8]: rows g and g + 8, columns 2 j and 2 j + 1, of 8
 * words of values along k. Registers a0..a3: row g or g + 8 (bit 0), first or second half of k (bit
 * 1); within a half, lane j holds its word j. b0, b1: halves of k, column g. */
template <class T, class Dot>
void add_products(T (&c)[4], const uint32_t (*lanes)[emulator::kOperands], const Dot& dot) {
  const int g = lane_index() >> 2, j = lane_index() & 3;
  uint32_t a[2][8], b[2][8];
  for (int i = 0; i < 2; ++i) {
    for (int word = 0; word < 8; ++word) {
      a[i][word] = lanes[4 * g + word % 4][i + 2 * (word / 4)];
      b[i][word] = lanes[4 * (2 * j + i) + word % 4][4 + word / 4];
    }
  }
  for (int e = 0; e < 4; ++e) c[e] = dot(c[e], a[e >> 1], b[e & 1]);
}

inline void multiply_int8(int (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  const auto dot = [](int sum, const uint32_t(&row)[8], const uint32_t(&column)[8]) {
    int8_t x[32], y[32];
    memcpy(x, row, sizeof(x));
    memcpy(y, column, sizeof(y));
    for (int k = 0; k < 32; ++k) sum += x[k] * y[k];
    return sum;
  };
  add_products(c, emulator::exchange("int8", {a[0], a[1], a[2], a[3], b0, b1}), dot);
}

inline void multiply_bfloat16(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  const auto dot = [](float sum, const uint32_t(&row)[8], const uint32_t(&column)[8]) {
    for (int k = 0; k < 8; ++k) {
      sum += float_of_bfloat16(row[k] & 0xffff) * float_of_bfloat16(column[k] & 0xffff);
      sum += float_of_bfloat16(row[k] >> 16) * float_of_bfloat16(column[k] >> 16);
    }
    return sum;
  };
  add_products(c, emulator::exchange("bfloat16", {a[0], a[1], a[2], a[3], b0, b1}), dot);
}

inline void copy16(uint32_t* shared, const uint32_t* global) {
  if (reinterpret_cast<uintptr_t>(shared) % 16 || reinterpret_cast<uintptr_t>(global) % 16) {
    emulator::fail("a copy is not aligned");
  }
  emulator::block.fiber().copies.push_back({shared, global});
}
inline void wait_for_copies() {
  for (const emulator::Copy& copy : emulator::block.fiber().copies) memcpy(copy.to, copy.from, 16);
  emulator::block.fiber().copies.clear();
}

template <class Arguments>
bcq_status launch(void (*kernel)(Arguments), int64_t blocks, int threads, int shared,
                  const Arguments& arguments, void*) {
  if (blocks > INT32_MAX) return BCQ_BAD_ARGUMENT;
  static std::mt19937 random(0);
  emulator::Block& block = emulator::block;
  ++emulator::launches;
  block.count = blocks;
  block.threads = threads;
  block.kernel = [&] { kernel(arguments); };
  for (block.index = 0; block.index < blocks; ++block.index) emulator::run_block(shared, random);
  return BCQ_OK;
}

inline bcq_status fill_bytes(void* data, int value, int64_t bytes, void*) {
  memset(data, value, static_cast<size_t>(bytes));
  return BCQ_OK;
}

inline bcq_status read_back(void* host, const void* device, int64_t bytes, void*) {
  memcpy(host, device, static_cast<size_t>(bytes));
  return BCQ_OK;
}

}  // namespace bcq_cuda

#endif
