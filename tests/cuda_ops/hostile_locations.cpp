// Feeds the CPU kernels and the CUDA kernels' code NaN, infinite, huge and bordering locations, on
// buffers of exactly the size they need. Built with the compiler's address and undefined-behavior
// checkers, which end the program with an error at the first access outside a buffer.

#include "../../cuda_ops/ms_deform_attn/csrc/cpu.cpp"
#include "kernels_on_host.cpp"

#include <cstdio>

namespace {

const double kHostile[] = {std::numeric_limits<double>::quiet_NaN(),
                           std::numeric_limits<double>::infinity(),
                           -std::numeric_limits<double>::infinity(),
                           1e30, -1e30, 3e9, -3e9, -0.5, -0.125, -0.0001, 0.0, 0.1, 0.5, 0.999,
                           1.0, 1.0001, 1.125, 1.5};
constexpr int kHostileCount = sizeof(kHostile) / sizeof(double);

// Every pair of hostile numbers comes up, in an order that repeats late.
template <class T>
std::vector<T> hostile(int64_t count, uint32_t seed) {
  std::vector<T> numbers(count);
  for (T& number : numbers) {
    seed = seed * 1664525u + 1013904223u;
    number = static_cast<T>(kHostile[(seed >> 16) % kHostileCount]);
  }
  return numbers;
}

// Three levels; the last one's last pixel is the buffer's end. Between them lie so many unused
// positions that few queries do not make it worthwhile to copy the rows.
constexpr int64_t kSides[] = {8, 4, 1, 3, 2, 1}, kStarts[] = {0, 32, 3998};
constexpr int64_t kPositions = 4000, kLevels = 3, kBatch = 2, kHeads = 2;

// A vector's storage has the size of its content: its capacity is never larger here.
template <class T>
struct Buffers {
  std::vector<T> value, locations, attention, output, grad, value_grad, location_grad,
      attention_grad;

  Buffers(int64_t value_size, int64_t samples, int64_t output_size)
      : value(value_size, T(1)), locations(hostile<T>(2 * samples, 1)),
        attention(hostile<T>(samples, 2)), output(output_size), grad(output_size, T(1)),
        value_grad(value_size), location_grad(2 * samples), attention_grad(samples) {}
};

template <class T>
int run_cpu(int64_t channels, int64_t points, int64_t queries, int64_t threads) {
  const int64_t row = kHeads * channels, items = kBatch * queries * kHeads;
  Buffers<T> b(kBatch * kPositions * row, items * kLevels * points, items * channels);
  const MsDeformAttnShape shape{kBatch, kPositions, kHeads, channels, queries, kLevels, points,
                                kPositions * row, row, channels, threads, kSides, kStarts};
  return forward<T>(shape, {b.value.data(), b.locations.data(), b.attention.data(),
                            b.output.data()}) +
         backward<T>(shape, {b.grad.data(), b.value.data(), b.locations.data(),
                             b.attention.data(), b.value_grad.data(), b.location_grad.data(),
                             b.attention_grad.data()});
}

void run_kernels(int64_t channels, int64_t points, int64_t queries) {
  const Problem problem{kBatch, kPositions, kHeads, channels, queries, kLevels, points,
                        {8, 1, 2}, {4, 3, 1}, {0, 32, 3998}};
  const int64_t items = kBatch * queries * kHeads;
  Buffers<float> b(kBatch * kPositions * kHeads * channels, items * kLevels * points,
                   items * channels);
  forward_float32(&problem, b.value.data(), b.locations.data(), b.attention.data(),
                  b.output.data());
  backward_float32(&problem, b.grad.data(), b.value.data(), b.locations.data(),
                   b.attention.data(), b.value_grad.data(), b.location_grad.data(),
                   b.attention_grad.data());
}

}  // namespace

int main() {
  int failures = 0, runs = 0;
  for (int64_t channels : {1, 7, 32, 65}) {
    for (int64_t points : {1, 4, 7}) {
      for (int64_t queries : {40, 500}) {
        for (int64_t threads : {1, 7}) {
          failures += run_cpu<float>(channels, points, queries, threads);
          failures += run_cpu<double>(channels, points, queries, threads);
        }
        run_kernels(channels, points, queries);
        ++runs;
      }
    }
  }
  std::printf("%d sizes\n", runs);
  return failures;
}
