/* Arguments checked, kernels started. */
#ifndef BCQ_CUDA_LAUNCH_H_
#define BCQ_CUDA_LAUNCH_H_

#include "core/arrays.h"
#include "cuda/device.h"

namespace bcq_cuda {

#ifdef __CUDACC__

/* blocks * threads of a kernel that takes one struct, with `shared` bytes of shared memory. */
template <class Arguments>
bcq_status launch(void (*kernel)(Arguments), int64_t blocks, int threads, int shared,
                  const Arguments& arguments, void* stream) {
  if (blocks == 0) return BCQ_OK;
  if (blocks > INT32_MAX) return BCQ_BAD_ARGUMENT;
  cudaError_t error = cudaSuccess;
  if (shared > 48 * 1024) { /* beyond that only when asked for */
    error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared);
  }
  if (error == cudaSuccess) {
    kernel<<<static_cast<unsigned>(blocks), threads, shared, static_cast<cudaStream_t>(stream)>>>(
        arguments);
  }
  error = cudaGetLastError();
  return error == cudaSuccess ? BCQ_OK : BCQ_NO_DEVICE;
}

inline bcq_status fill_bytes(void* data, int value, int64_t bytes, void* stream) {
  const cudaError_t error =
      cudaMemsetAsync(data, value, static_cast<size_t>(bytes), static_cast<cudaStream_t>(stream));
  if (error == cudaSuccess) return BCQ_OK;
  cudaGetLastError();
  return BCQ_NO_DEVICE;
}

/* Waits until the stream has passed. */
inline bcq_status read_back(void* host, const void* device, int64_t bytes, void* stream) {
  const auto on = static_cast<cudaStream_t>(stream);
  cudaError_t error =
      cudaMemcpyAsync(host, device, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, on);
  if (error == cudaSuccess) error = cudaStreamSynchronize(on);
  if (error == cudaSuccess) return BCQ_OK;
  cudaGetLastError();
  return BCQ_NO_DEVICE;
}

#endif

using bcq::is_type;

/* A kernel whose threads share so many elements by for_each(). */
template <class Arguments>
bcq_status launch_for_each(void (*kernel)(Arguments), int64_t elements, const Arguments& arguments,
                           void* stream) {
  const int64_t blocks = least<int64_t>(rounded_up(elements, kThreads), 1 << 20);
  return launch(kernel, blocks, kThreads, 0, arguments, stream);
}

inline bool is_aligned(const void* data) { return reinterpret_cast<uintptr_t>(data) % 16 == 0; }

/* The matrix as kernels take it; false where it breaks a rule. */
inline bool set_matrix(const bcq_matrix* matrix, Matrix& m) {
  constexpr int64_t kMost = INT32_MAX - 128;
  if (!matrix || matrix->rows < 1 || matrix->rows > kMost) return false;
  if (matrix->columns < 1 || matrix->columns > kMost) return false;
  if (matrix->bits < 1 || matrix->bits > kMaxBits || !is_type(matrix->scale_type)) return false;
  if (matrix->group_size < 1) return false;
  if (matrix->group_size < matrix->columns && matrix->group_size % kWordBits) return false;
  if (!matrix->plane_rows || matrix->plane_rows[0] != matrix->rows) return false;
  if (!matrix->tiles || !is_aligned(matrix->tiles) || !matrix->scales) return false;
  m = Matrix{};
  for (int i = 0; i < matrix->bits; ++i) {
    const int64_t before = i ? matrix->plane_rows[i - 1] : matrix->rows;
    if (matrix->plane_rows[i] < 0 || matrix->plane_rows[i] > before) return false;
    m.plane_rows[i] = matrix->plane_rows[i];
  }
  m.rows = matrix->rows;
  m.bits = matrix->bits;
  m.scale_type = matrix->scale_type;
  set_columns(m, matrix->columns, matrix->group_size);
  m.tiles = matrix->tiles;
  m.scales = matrix->scales;
  m.offset = matrix->offset;
  m.row_order = matrix->row_order;
  m.row_place = matrix->row_place;
  return true;
}

}  // namespace bcq_cuda

#endif
