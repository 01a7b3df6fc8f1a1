// Runs the CUDA kernels' code on the CPU: blocks in turn, and every step of a block for all of its
// threads before the next step. bfloat16 is stored here as the upper half of a float32.

#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

namespace ms_deform_attn {

struct Bfloat16 {
  uint16_t bits;
};

inline float to_float(Bfloat16 number) {
  const uint32_t bits = static_cast<uint32_t>(number.bits) << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof wide);
  return wide;
}

// Rounds to the nearest, ties to even; for finite numbers.
inline void assign(Bfloat16& target, float number) {
  uint32_t bits;
  std::memcpy(&bits, &number, sizeof bits);
  target.bits = static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

}  // namespace ms_deform_attn

#include "../../cuda_ops/ms_deform_attn/csrc/kernels.cuh"

using namespace ms_deform_attn;

namespace {

template <class Kernel>
void run_on_host(const Problem& problem, const Kernel& kernel, int vector) {
  const int group = group_size(problem.channels, vector);
  using Sample = typename Kernel::Sample;
  for (int64_t index = 0; index < block_count(problem, group); ++index) {
    std::vector<Sample> samples(shared_bytes<Kernel>(group) / sizeof(Sample));
    // What no thread has located must not be used: coefficients NaN, rows far away.
    std::memset(static_cast<void*>(samples.data()), 0x7f, samples.size() * sizeof(Sample));
    HostBlock<typename Kernel::State> block;
    kernel.run(problem, BlockRange(problem, index, group), samples.data(), block);
  }
}

template <template <class, class, int> class Kernel, class Scalar, class Coordinate,
          class... Pointers>
void run_vectorized(const Problem& problem, Pointers... pointers) {
  constexpr int kVector = 16 / sizeof(Scalar);
  if (problem.channels % kVector == 0) {
    run_on_host(problem, Kernel<Scalar, Coordinate, kVector>{pointers...}, kVector);
  } else {
    run_on_host(problem, Kernel<Scalar, Coordinate, 1>{pointers...}, 1);
  }
}

}  // namespace

#define EXPORT(NAME, SCALAR, COORDINATE)                                                         \
  extern "C" void forward_##NAME(const Problem* problem, const SCALAR* value,                    \
                                 const COORDINATE* locations, const COORDINATE* attention,       \
                                 SCALAR* output) {                                               \
    run_vectorized<Forward, SCALAR, COORDINATE>(*problem, value, locations, attention, output);  \
  }                                                                                              \
  extern "C" void backward_##NAME(const Problem* problem, const SCALAR* grad,                    \
                                  const SCALAR* value, const COORDINATE* locations,              \
                                  const COORDINATE* attention, float* value_grad,                \
                                  COORDINATE* location_grad, COORDINATE* attention_grad) {       \
    run_vectorized<Backward, SCALAR, COORDINATE>(*problem, grad, value, locations, attention,    \
                                                 value_grad, location_grad, attention_grad);     \
  }

EXPORT(float32, float, float)
EXPORT(bfloat16, Bfloat16, Bfloat16)
EXPORT(bfloat16_float32, Bfloat16, float)

extern "C" int group_of(int64_t channels, int vector) { return group_size(channels, vector); }

extern "C" int64_t shared_of(int backward, int group) {
  return backward ? shared_bytes<Backward<float, float, 4>>(group)
                  : shared_bytes<Forward<float, float, 4>>(group);
}
