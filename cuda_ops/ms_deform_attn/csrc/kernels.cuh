// The CUDA kernels of multi-scale deformable attention, forward and backward; no torch, no CUDA
// runtime, so any nvcc compiles them, and so does a C++ compiler: there the same code runs with
// the threads of a block one after the other (`HostBlock`), which is how its arithmetic is tested
// where there is no GPU.
//
// A block works on neighboring queries of one batch entry and head. `group` threads share an
// item (a query of that head): each reads kVector channels, 16 bytes, of every row. The block
// alternates between two steps: its threads locate the next few samples of all its items, each
// sample once, and leave coefficients and rows in shared memory; then the groups read the rows.
//
// Rows and items count in 32 bits, addresses in 64. All arithmetic is float32. A sample outside its
// level is skipped; of a sample inside, a corner outside is read at the nearest pixel with
// coefficient 0, so every address is valid whatever the locations hold.

#pragma once

#include <cmath>
#include <cstdint>

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#define MSDA_DEVICE __device__ __forceinline__
#else
#define MSDA_DEVICE inline
#endif

namespace ms_deform_attn {

constexpr int kThreads = 128;         // of a block
constexpr int kMaxLevels = 16;
constexpr int kForwardSamples = 8;    // located at once for each item
constexpr int kBackwardSamples = 4;

struct Problem {
  int64_t batch, positions, heads, channels, queries, levels, points;
  int64_t height[kMaxLevels], width[kMaxLevels], start[kMaxLevels];
};

MSDA_DEVICE float to_float(float number) { return number; }
MSDA_DEVICE void assign(float& target, float number) { target = number; }
#ifdef __CUDACC__
MSDA_DEVICE float to_float(__half number) { return __half2float(number); }
MSDA_DEVICE float to_float(__nv_bfloat16 number) { return __bfloat162float(number); }
MSDA_DEVICE void assign(__half& target, float number) { target = __float2half_rn(number); }
MSDA_DEVICE void assign(__nv_bfloat16& target, float number) {
  target = __float2bfloat16_rn(number);
}
#endif

// Neighboring channels, read and written by one instruction where they make up 16 bytes.
template <class Scalar, int kVector>
struct alignas(kVector * sizeof(Scalar)) Channels {
  Scalar at[kVector];
};

template <class Scalar, int kVector>
MSDA_DEVICE void load(const Scalar* source, float (&numbers)[kVector]) {
  const auto channels = *reinterpret_cast<const Channels<Scalar, kVector>*>(source);
#pragma unroll
  for (int v = 0; v < kVector; ++v) numbers[v] = to_float(channels.at[v]);
}

template <class Scalar, int kVector>
MSDA_DEVICE void store(Scalar* target, const float (&numbers)[kVector]) {
  Channels<Scalar, kVector> channels;
#pragma unroll
  for (int v = 0; v < kVector; ++v) assign(channels.at[v], numbers[v]);
  *reinterpret_cast<Channels<Scalar, kVector>*>(target) = channels;
}

struct alignas(16) Float4 {
  float at[4];
};
struct alignas(16) Int4 {
  int at[4];
};

MSDA_DEVICE void add_to(float* target, float number) {
#ifdef __CUDA_ARCH__
  atomicAdd(target, number);
#else
  *target += number;
#endif
}

MSDA_DEVICE void add_to(float* target, const Float4& numbers) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  atomicAdd(reinterpret_cast<float4*>(target),
            make_float4(numbers.at[0], numbers.at[1], numbers.at[2], numbers.at[3]));
#else
  for (int v = 0; v < 4; ++v) add_to(target + v, numbers.at[v]);
#endif
}

template <int kVector>
MSDA_DEVICE void add_scaled(float* target, const float (&numbers)[kVector], float factor) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  constexpr int kStep = kVector % 4 == 0 ? 4 : 1;
#else
  constexpr int kStep = 1;
#endif
#pragma unroll
  for (int v = 0; v < kVector; v += kStep) {
    if constexpr (kStep == 1) {
      add_to(target + v, numbers[v] * factor);
    } else {
      add_to(target + v, {{numbers[v] * factor, numbers[v + 1] * factor, numbers[v + 2] * factor,
                           numbers[v + 3] * factor}});
    }
  }
}

// Corners: top left, top right, bottom left, bottom right.
struct ForwardSample {
  Float4 coefficient;
  Int4 row;  // the first is -1 for a sample outside its level
};

// `weight` and `has` hold left, right, top, bottom: the pixel columns' and rows' weights, and 1
// where they lie inside the level; both 0 outside.
struct BackwardSample {
  Float4 weight;
  Float4 has;
  Int4 row;
  Float4 scale;  // width * attention, height * attention, attention
};

struct Placed {
  Float4 weight, has;
  Int4 row;
};

// Where the location (x, y) lies on a level; sides and rows count within 32 bits.
MSDA_DEVICE Placed place(float x, float y, int height, int width, int start) {
  x = fmaf(x, static_cast<float>(width), -0.5f);
  y = fmaf(y, static_cast<float>(height), -0.5f);
  const bool inside = x >= -1.f && x < static_cast<float>(width) && y >= -1.f &&
                      y < static_cast<float>(height);
  if (!inside) return {{{0, 0, 0, 0}}, {{0, 0, 0, 0}}, {{-1, -1, -1, -1}}};
  const float floor_x = floorf(x), floor_y = floorf(y);
  const int x0 = static_cast<int>(floor_x), y0 = static_cast<int>(floor_y);
  const float left = x0 >= 0, right = x0 + 1 < width, top = y0 >= 0, bottom = y0 + 1 < height;
  const int x_left = x0 >= 0 ? x0 : 0, x_right = x0 + 1 < width ? x0 + 1 : width - 1;
  const int y_top = start + (y0 >= 0 ? y0 : 0) * width;
  const int y_bottom = start + (y0 + 1 < height ? y0 + 1 : height - 1) * width;
  return {{{left * (1.f - (x - floor_x)), right * (x - floor_x), top * (1.f - (y - floor_y)),
            bottom * (y - floor_y)}},
          {{left, right, top, bottom}},
          {{y_top + x_left, y_top + x_right, y_bottom + x_left, y_bottom + x_right}}};
}

MSDA_DEVICE Float4 coefficients(const Float4& weight, float attention) {
  const float top = weight.at[2] * attention, bottom = weight.at[3] * attention;
  return {{top * weight.at[0], top * weight.at[1], bottom * weight.at[0], bottom * weight.at[1]}};
}

// What a block works on. Shared memory holds a table of samples with one column per item, and an
// unused one so that the samples of one item lie in different banks.
struct BlockRange {
  int64_t batch, head, first_query;
  int group, items;

  MSDA_DEVICE BlockRange(const Problem& problem, int64_t block, int group_size)
      : group(group_size), items(kThreads / group_size) {
    const int64_t blocks = (problem.queries + items - 1) / items;
    const int64_t pair = block / blocks;
    batch = pair / problem.heads;
    head = pair % problem.heads;
    first_query = block % blocks * items;
  }
  MSDA_DEVICE bool has(const Problem& problem, int item) const {
    return first_query + item < problem.queries;
  }
  // Counted over all (batch, query, head).
  MSDA_DEVICE int64_t index(const Problem& problem, int item) const {
    return (batch * problem.queries + first_query + item) * problem.heads + head;
  }
  MSDA_DEVICE int slot(int sample, int item) const { return sample * (items + 1) + item; }
};

// Calls body(sample, item, level, index of the sample in the tensors) for this thread's share of
// the `count` samples from `first` on of all items.
template <class Body>
MSDA_DEVICE void for_samples(const Problem& problem, const BlockRange& range, int thread,
                             int first, int count, Body body) {
  const int samples = static_cast<int>(problem.levels * problem.points);
  for (int i = thread; i < range.items * count; i += kThreads) {
    const int sample = i % count, item = i / count;
    if (first + sample >= samples || !range.has(problem, item)) continue;
    body(sample, item, (first + sample) / static_cast<int>(problem.points),
         range.index(problem, item) * samples + first + sample);
  }
}

template <class Coordinate>
MSDA_DEVICE Placed place_sample(const Problem& problem, const Coordinate* locations, int level,
                                int64_t index) {
  const auto xy = *reinterpret_cast<const Channels<Coordinate, 2>*>(locations + 2 * index);
  return place(to_float(xy.at[0]), to_float(xy.at[1]), static_cast<int>(problem.height[level]),
               static_cast<int>(problem.width[level]), static_cast<int>(problem.start[level]));
}

template <class Scalar, class Coordinate, int kVector>
struct Forward {
  const Scalar* value;
  const Coordinate* locations;
  const Coordinate* attention;
  Scalar* output;

  struct State {
    float sums[kVector];
  };
  using Sample = ForwardSample;
  static constexpr int kSamples = kForwardSamples;

  MSDA_DEVICE void locate(const Problem& problem, const BlockRange& range, int thread, int first,
                          Sample* samples) const {
    for_samples(problem, range, thread, first, kSamples,
                [&](int sample, int item, int level, int64_t index) {
                  const Placed placed = place_sample(problem, locations, level, index);
                  samples[range.slot(sample, item)] = {
                      coefficients(placed.weight, to_float(attention[index])), placed.row};
                });
  }

  // Adds `count` samples to the sums of the thread's channels, the first of which is `channel`.
  MSDA_DEVICE void gather(const Problem& problem, const BlockRange& range, int item, int channel,
                          int count, const Sample* samples, State& state) const {
    if (!range.has(problem, item) || channel >= problem.channels) return;
    const int64_t stride = problem.heads * problem.channels;
    const Scalar* rows = value + range.batch * problem.positions * stride +
                         range.head * problem.channels + channel;
    float part[kVector] = {};  // sums of parts round less than one long sum
#pragma unroll 2
    for (int sample = 0; sample < count; ++sample) {
      const Sample at = samples[range.slot(sample, item)];
      float corner[4][kVector] = {};
      if (at.row.at[0] >= 0) {
#pragma unroll
        for (int c = 0; c < 4; ++c) load(rows + at.row.at[c] * stride, corner[c]);
      }
#pragma unroll
      for (int v = 0; v < kVector; ++v) {
#pragma unroll
        for (int c = 0; c < 4; ++c) part[v] += at.coefficient.at[c] * corner[c][v];
      }
    }
#pragma unroll
    for (int v = 0; v < kVector; ++v) state.sums[v] += part[v];
  }

  MSDA_DEVICE void finish(const Problem& problem, const BlockRange& range, int item, int channel,
                          const State& state) const {
    if (!range.has(problem, item) || channel >= problem.channels) return;
    store(output + range.index(problem, item) * problem.channels + channel, state.sums);
  }

  template <class Block>
  MSDA_DEVICE void run(const Problem& problem, const BlockRange& range, Sample* samples,
                       Block& block) const {
    const int total = static_cast<int>(problem.levels * problem.points);
    const int step = range.group * kVector;
    for (int channel = 0; channel < problem.channels; channel += step) {
      block.each([&](int, State& state) { state = {}; });
      for (int first = 0; first < total; first += kSamples) {
        const int count = total - first < kSamples ? total - first : kSamples;
        block.each([&](int thread, State&) { locate(problem, range, thread, first, samples); });
        block.barrier();
        block.each([&](int thread, State& state) {
          gather(problem, range, thread / range.group,
                 channel + thread % range.group * kVector, count, samples, state);
        });
        block.barrier();
      }
      block.each([&](int thread, State& state) {
        finish(problem, range, thread / range.group, channel + thread % range.group * kVector,
               state);
      });
    }
  }
};

template <class Scalar, class Coordinate, int kVector>
struct Backward {
  const Scalar* grad;
  const Scalar* value;
  const Coordinate* locations;
  const Coordinate* attention;
  float* value_grad;  // holds zeros
  Coordinate* location_grad;
  Coordinate* attention_grad;

  struct State {
    float sums[3];  // of the gradients along x and y and of the attention weight
  };
  using Sample = BackwardSample;
  static constexpr int kSamples = kBackwardSamples;

  MSDA_DEVICE void locate(const Problem& problem, const BlockRange& range, int thread, int first,
                          Sample* samples) const {
    for_samples(problem, range, thread, first, kSamples,
                [&](int sample, int item, int level, int64_t index) {
                  const Placed placed = place_sample(problem, locations, level, index);
                  const float weight = to_float(attention[index]);
                  samples[range.slot(sample, item)] = {
                      placed.weight, placed.has, placed.row,
                      {{static_cast<float>(problem.width[level]) * weight,
                        static_cast<float>(problem.height[level]) * weight, weight, 0.f}}};
                });
  }

  // Adds the gradient of the thread's channels to the sample's rows, and leaves in `state` what
  // these channels contribute to the gradients of its location and weight.
  MSDA_DEVICE void scatter(const Problem& problem, const BlockRange& range, int item, int lane,
                           const Sample& at, State& state) const {
    state = {};
    if (!range.has(problem, item) || at.row.at[0] < 0) return;
    const int64_t stride = problem.heads * problem.channels;
    const int64_t base =
        range.batch * problem.positions * stride + range.head * problem.channels;
    const Scalar* item_grad = grad + range.index(problem, item) * problem.channels;
    const Float4 coefficient = coefficients(at.weight, at.scale.at[2]);
    float dot[4] = {0.f, 0.f, 0.f, 0.f};
    for (int channel = lane * kVector; channel < problem.channels;
         channel += range.group * kVector) {
      float gradient[kVector];
      load(item_grad + channel, gradient);
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        const int64_t offset = base + at.row.at[c] * stride + channel;
        float corner[kVector];
        load(value + offset, corner);
#pragma unroll
        for (int v = 0; v < kVector; ++v) dot[c] += gradient[v] * corner[v];
        if (coefficient.at[c] != 0.f) add_scaled(value_grad + offset, gradient, coefficient.at[c]);
      }
    }
    combine(at, dot, state);
  }

  static MSDA_DEVICE void combine(const Sample& at, const float (&dot)[4], State& state) {
    const float left = at.weight.at[0], right = at.weight.at[1];
    const float top = at.weight.at[2], bottom = at.weight.at[3];
    const float upper = left * dot[0] + right * dot[1], lower = left * dot[2] + right * dot[3];
    state.sums[0] = at.scale.at[0] * (at.has.at[1] * (top * dot[1] + bottom * dot[3]) -
                                      at.has.at[0] * (top * dot[0] + bottom * dot[2]));
    state.sums[1] = at.scale.at[1] * (at.has.at[3] * lower - at.has.at[2] * upper);
    state.sums[2] = top * upper + bottom * lower;
  }

  MSDA_DEVICE void store_sums(const Problem& problem, const BlockRange& range, int item,
                              int sample, const State& state) const {
    if (!range.has(problem, item)) return;
    const int64_t index =
        range.index(problem, item) * problem.levels * problem.points + sample;
    Channels<Coordinate, 2> xy;
    assign(xy.at[0], state.sums[0]);
    assign(xy.at[1], state.sums[1]);
    *reinterpret_cast<Channels<Coordinate, 2>*>(location_grad + 2 * index) = xy;
    assign(attention_grad[index], state.sums[2]);
  }

  template <class Block>
  MSDA_DEVICE void run(const Problem& problem, const BlockRange& range, Sample* samples,
                       Block& block) const {
    const int total = static_cast<int>(problem.levels * problem.points);
    for (int first = 0; first < total; first += kSamples) {
      block.each([&](int thread, State&) { locate(problem, range, thread, first, samples); });
      block.barrier();
      for (int sample = 0; sample < kSamples && first + sample < total; ++sample) {
        block.each([&](int thread, State& state) {
          const int item = thread / range.group;
          const Sample at = samples[range.slot(sample, item)];
          scatter(problem, range, item, thread % range.group, at, state);
        });
        block.sum_groups(range.group);
        block.each([&](int thread, State& state) {
          if (thread % range.group != 0) return;
          store_sums(problem, range, thread / range.group, first + sample, state);
        });
      }
      block.barrier();
    }
  }
};

// Threads that share an item: enough for its channels, a power of two, within a warp.
inline int group_size(int64_t channels, int vector) {
  int group = 1;
  while (group < 32 && static_cast<int64_t>(group) * vector < channels) group *= 2;
  return group;
}

inline int64_t block_count(const Problem& problem, int group) {
  const int64_t items = kThreads / group;
  return problem.batch * problem.heads * ((problem.queries + items - 1) / items);
}

template <class Kernel>
int64_t shared_bytes(int group) {
  return sizeof(typename Kernel::Sample) * Kernel::kSamples * (kThreads / group + 1);
}

#ifdef __CUDACC__

// One thread's view of its block on the GPU.
template <class State>
struct DeviceBlock {
  State state;

  template <class Body>
  __device__ __forceinline__ void each(Body body) {
    body(static_cast<int>(threadIdx.x), state);
  }
  __device__ __forceinline__ void barrier() { __syncthreads(); }
  __device__ __forceinline__ void sum_groups(int group) {
    for (int distance = group / 2; distance > 0; distance /= 2) {
#pragma unroll
      for (float& sum : state.sums) sum += __shfl_xor_sync(0xffffffffu, sum, distance);
    }
  }
};

template <class Kernel>
__global__ void __launch_bounds__(kThreads) run_kernel(const __grid_constant__ Problem problem,
                                                       const Kernel kernel, int group) {
  extern __shared__ __align__(16) unsigned char shared[];
  DeviceBlock<typename Kernel::State> block;
  kernel.run(problem, BlockRange(problem, blockIdx.x, group),
             reinterpret_cast<typename Kernel::Sample*>(shared), block);
}

#endif

// A block on the CPU: every step runs for all threads before the next one.
template <class State>
struct HostBlock {
  State states[kThreads];

  template <class Body>
  void each(Body body) {
    for (int thread = 0; thread < kThreads; ++thread) body(thread, states[thread]);
  }
  void barrier() {}
  void sum_groups(int group) {
    for (int first = 0; first < kThreads; first += group) {
      for (int lane = 1; lane < group; ++lane) {
        for (int i = 0; i < 3; ++i) states[first].sums[i] += states[first + lane].sums[i];
      }
    }
  }
};

}  // namespace ms_deform_attn
