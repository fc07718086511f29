/* What the tests of the CUDA kernels share, which run thread by thread on the CPU
 * (cuda_emulator.h). */
#ifndef BCQ_TESTS_CUDA_CASE_H_
#define BCQ_TESTS_CUDA_CASE_H_

#include <memory>

#include "tests/cuda_emulator.h"
#include "tests/matrices.h"

namespace bcq_test {

using bcq_cuda::emulator::Order;

/* One of every kind that is easily got wrong; small, since the emulator is slow. */
inline std::vector<Form> cuda_forms() {
  const bcq_type f32 = BCQ_FLOAT32, f16 = BCQ_FLOAT16, bf16 = BCQ_BFLOAT16;
  return {
      {1, 1, 1, {1}, false, false, f32},
      {64, 128, 128, {64, 64, 64}, false, false, f16},
      {65, 130, 130, {65, 65, 65}, false, false, f16},
      {33, 1061, 32, {33}, false, false, f16},
      {100, 333, 96, {100, 70, 64, 1}, true, true, f16},
      {130, 260, 64, {130, 129, 3, 0}, true, true, f32},
      {40, 260, 160, std::vector<int64_t>(8, 40), true, false, bf16},
      {5, 4170, 4170, {5, 5}, false, true, f16},
      {200, 64, 64, {200, 150, 128, 127, 66, 20, 1}, false, true, f16},
  };
}

/* Junk in memory that is exactly as large, in whole vectors of 16 bytes. */
class Workspace {
 public:
  explicit Workspace(int64_t bytes) : vectors_(new bcq_cuda::Words4[(bytes + 15) / 16]) {
    memset(static_cast<void*>(vectors_.get()), 0xcd, static_cast<size_t>(bytes));
  }
  void* data() { return vectors_.get(); }

 private:
  std::unique_ptr<bcq_cuda::Words4[]> vectors_;
};

/* Root of the sum of squares of the differences, relative to that of `expected`. */
inline double relative_error(const Numbers& got, const std::vector<double>& expected) {
  double error = 0, size = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double difference = got[static_cast<int64_t>(i)] - expected[i];
    error += difference * difference;
    size += expected[i] * expected[i];
  }
  return size > 0 ? sqrt(error / size) : sqrt(error);
}

/* `bound`, and what rounding to the type adds. */
inline void expect_close(const Numbers& got, const std::vector<double>& expected, double bound,
                         const std::string& what) {
  const double error = relative_error(got, expected);
  expect(error <= bound + got.rounding(), what + ", error " + std::to_string(error * 1e6) + "e-6");
}

}  // namespace bcq_test

#endif
