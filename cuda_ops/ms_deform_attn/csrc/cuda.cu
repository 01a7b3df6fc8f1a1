// The C interface of the CUDA kernels: picks the instance for the dtypes and launches it.

#include "kernels.cuh"

namespace ms_deform_attn {
namespace {

enum Dtype { kFloat32 = 0, kFloat16 = 1, kBfloat16 = 2 };

template <class Kernel>
int launch(const Problem& problem, const Kernel& kernel, int vector, cudaStream_t stream) {
  const int group = group_size(problem.channels, vector);
  const int64_t blocks = block_count(problem, group);
  if (blocks > INT32_MAX) return cudaErrorInvalidConfiguration;
  run_kernel<Kernel><<<static_cast<unsigned>(blocks), kThreads, shared_bytes<Kernel>(group),
                       stream>>>(problem, kernel, group);
  return cudaGetLastError();
}

// Calls body with the value's and the coordinates' type as (unused) arguments.
template <class Body>
int with_types(int dtype, int coordinate_dtype, Body body) {
  const bool wide = coordinate_dtype == kFloat32;
  if (dtype == kFloat32 && wide) return body(float(), float());
  if (dtype == kFloat16 && wide) return body(__half(), float());
  if (dtype == kFloat16 && coordinate_dtype == dtype) return body(__half(), __half());
  if (dtype == kBfloat16 && wide) return body(__nv_bfloat16(), float());
  if (dtype == kBfloat16 && coordinate_dtype == dtype) {
    return body(__nv_bfloat16(), __nv_bfloat16());
  }
  return cudaErrorInvalidValue;
}

template <template <class, class, int> class Kernel, class Scalar, class Coordinate,
          class... Pointers>
int launch_vectorized(const Problem& problem, cudaStream_t stream, Pointers... pointers) {
  constexpr int kVector = 16 / sizeof(Scalar);
  if (problem.channels % kVector == 0) {
    return launch(problem, Kernel<Scalar, Coordinate, kVector>{pointers...}, kVector, stream);
  }
  return launch(problem, Kernel<Scalar, Coordinate, 1>{pointers...}, 1, stream);
}

}  // namespace
}  // namespace ms_deform_attn

using namespace ms_deform_attn;

// Pointers are to contiguous tensors that start at multiples of 16 bytes. Both launches return a
// cudaError_t.
extern "C" {

int ms_deform_attn_forward(const Problem* problem, int dtype, int coordinate_dtype,
                           const void* value, const void* locations, const void* attention,
                           void* output, cudaStream_t stream) {
  return with_types(dtype, coordinate_dtype, [&](auto scalar, auto coordinate) {
    using Scalar = decltype(scalar);
    using Coordinate = decltype(coordinate);
    return launch_vectorized<Forward, Scalar, Coordinate>(
        *problem, stream, static_cast<const Scalar*>(value),
        static_cast<const Coordinate*>(locations), static_cast<const Coordinate*>(attention),
        static_cast<Scalar*>(output));
  });
}

int ms_deform_attn_backward(const Problem* problem, int dtype, int coordinate_dtype,
                            const void* grad, const void* value, const void* locations,
                            const void* attention, float* value_grad, void* location_grad,
                            void* attention_grad, cudaStream_t stream) {
  return with_types(dtype, coordinate_dtype, [&](auto scalar, auto coordinate) {
    using Scalar = decltype(scalar);
    using Coordinate = decltype(coordinate);
    return launch_vectorized<Backward, Scalar, Coordinate>(
        *problem, stream, static_cast<const Scalar*>(grad), static_cast<const Scalar*>(value),
        static_cast<const Coordinate*>(locations), static_cast<const Coordinate*>(attention),
        value_grad, static_cast<Coordinate*>(location_grad),
        static_cast<Coordinate*>(attention_grad));
  });
}

const char* ms_deform_attn_error(int code) {
  return cudaGetErrorString(static_cast<cudaError_t>(code));
}
}
