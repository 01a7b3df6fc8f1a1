// Multi-scale deformable attention on the CPU, forward and backward, with a plain C interface.
//
// Work is split into tasks that never write to the same memory, so results do not depend on the
// number of threads. A forward task is a run of queries of one (batch, head) pair; a backward task
// is such a pair, or one of its levels where pairs are fewer than threads. A task first copies the
// rows of its head next to each other ("packing") when it will read more rows than it copies: in
// the operator's own layout they are heads * channels apart, so one head's rows would share
// one `heads`th of the cache's sets.
//
// Channels run through vector registers. A sample outside its level is skipped; of a sample
// inside, a corner outside is read at the nearest pixel with coefficient 0. So every address is
// valid whatever the locations hold, NaN and infinities included.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#ifdef _OPENMP
#include <omp.h>
#endif

// Strides and sizes in elements. The channels of a value row are contiguous; the other tensors
// are contiguous as a whole.
struct MsDeformAttnShape {
  int64_t batch, positions, heads, channels, queries, levels, points;
  int64_t value_batch_stride, value_position_stride, value_head_stride;
  int64_t threads;
  const int64_t* sides;   // height and width of each level
  const int64_t* starts;  // first position of each level
};

namespace {

using Shape = MsDeformAttnShape;

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif
constexpr int kBlock = 16;         // samples that are located at once
constexpr int kMaxVectors = 4;     // channel vectors that are held in registers at once
constexpr int64_t kAlignment = 64;  // a cache line
constexpr int64_t kQueriesAhead = 8;  // how far ahead of its use a query's input is fetched

template <class T>
struct Simd {
  typedef T Vector __attribute__((vector_size(kVectorBytes)));
  static constexpr int kLanes = kVectorBytes / sizeof(T);

  static Vector load(const T* source) {
    Vector vector;
    std::memcpy(&vector, source, kVectorBytes);
    return vector;
  }
  static void store(T* target, Vector vector) { std::memcpy(target, &vector, kVectorBytes); }
};

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};
template <class T>
using Memory = std::unique_ptr<T[], Free>;

template <class T>
Memory<T> allocate(int64_t count) {
  const int64_t bytes = (count * sizeof(T) / kAlignment + 1) * kAlignment;
  return Memory<T>(static_cast<T*>(std::aligned_alloc(kAlignment, bytes)));
}

int thread_index() {
#ifdef _OPENMP
  return omp_get_thread_num();
#else
  return 0;
#endif
}

// Row `index` of one head: its channels lie at base + index * stride.
template <class T>
struct Rows {
  T* base;
  int64_t stride;
  T* operator[](int64_t index) const { return base + index * stride; }
};

// Asks for the cache lines of `count` numbers. One head's numbers lie so far apart from one query to
// the next that the hardware does not fetch them ahead by itself.
template <class T>
void prefetch(const T* first, int64_t count) {
  const char* bytes = reinterpret_cast<const char*>(first);
  for (int64_t at = 0; at < count * static_cast<int64_t>(sizeof(T)); at += kAlignment) {
    __builtin_prefetch(bytes + at);
  }
}

// What `locate` needs to know of each sample of a query and head, one entry per level and point.
template <class T>
struct SampleLevels {
  std::vector<T> width, height;
  std::vector<int32_t> last_x, last_y, first_row;

  SampleLevels(const Shape& shape, int64_t first_level, int64_t last_level, int64_t first_row_kept) {
    for (int64_t level = first_level; level < last_level; ++level) {
      for (int64_t point = 0; point < shape.points; ++point) {
        height.push_back(static_cast<T>(shape.sides[2 * level]));
        width.push_back(static_cast<T>(shape.sides[2 * level + 1]));
        last_y.push_back(static_cast<int32_t>(shape.sides[2 * level] - 1));
        last_x.push_back(static_cast<int32_t>(shape.sides[2 * level + 1] - 1));
        first_row.push_back(static_cast<int32_t>(shape.starts[level] - first_row_kept));
      }
    }
    pad();
  }

  void pad() {
    const size_t padded = (width.size() + kBlock - 1) / kBlock * kBlock;
    width.resize(padded, 1);
    height.resize(padded, 1);
    last_x.resize(padded, 0);
    last_y.resize(padded, 0);
    first_row.resize(padded, 0);
  }
};

// Up to kBlock samples of one query and head. The four corners are top left, top right, bottom
// left, bottom right. `left` ... `bottom` are the weights of the pixel columns and rows, and
// `has_left` ... `has_bottom` are 1; both are 0 where these lie outside the level.
template <class T>
struct alignas(kAlignment) Samples {
  T x[kBlock], y[kBlock], attention[kBlock];
  T left[kBlock], right[kBlock], top[kBlock], bottom[kBlock];
  T has_left[kBlock], has_right[kBlock], has_top[kBlock], has_bottom[kBlock];
  T coefficient[4][kBlock];
  T dot[4][kBlock];
  int32_t row[4][kBlock];
  int32_t inside[kBlock];
};

template <class T>
void load_samples(const T* locations, const T* attention, int count, Samples<T>& samples) {
  for (int i = 0; i < count; ++i) {
    samples.x[i] = locations[2 * i];
    samples.y[i] = locations[2 * i + 1];
    samples.attention[i] = attention[i];
  }
  for (int i = count; i < kBlock; ++i) {
    samples.x[i] = samples.y[i] = -1;
    samples.attention[i] = 0;
  }
}

template <class T>
void locate(const SampleLevels<T>& levels, int64_t first, Samples<T>& samples) {
  const T* width = &levels.width[first];
  const T* height = &levels.height[first];
  const int32_t* last_x = &levels.last_x[first];
  const int32_t* last_y = &levels.last_y[first];
  const int32_t* first_row = &levels.first_row[first];
  for (int i = 0; i < kBlock; ++i) {
    // The difference shows: after a rounded product, half a pixel less would be further off.
    T x = std::fma(samples.x[i], width[i], T(-0.5));
    T y = std::fma(samples.y[i], height[i], T(-0.5));
    const bool inside = (x >= T(-1)) & (x < width[i]) & (y >= T(-1)) & (y < height[i]);
    x = inside ? x : T(0);
    y = inside ? y : T(0);
    const T floor_x = std::floor(x), floor_y = std::floor(y);
    const int32_t x0 = static_cast<int32_t>(floor_x), y0 = static_cast<int32_t>(floor_y);
    const T has_left = x0 >= 0 ? T(1) : T(0), has_right = x0 < last_x[i] ? T(1) : T(0);
    const T has_top = y0 >= 0 ? T(1) : T(0), has_bottom = y0 < last_y[i] ? T(1) : T(0);
    const T right = (x - floor_x) * has_right, left = (T(1) - (x - floor_x)) * has_left;
    const T bottom = (y - floor_y) * has_bottom, top = (T(1) - (y - floor_y)) * has_top;
    const T attention = samples.attention[i];
    samples.coefficient[0][i] = top * left * attention;
    samples.coefficient[1][i] = top * right * attention;
    samples.coefficient[2][i] = bottom * left * attention;
    samples.coefficient[3][i] = bottom * right * attention;
    samples.left[i] = left, samples.right[i] = right;
    samples.top[i] = top, samples.bottom[i] = bottom;
    samples.has_left[i] = has_left, samples.has_right[i] = has_right;
    samples.has_top[i] = has_top, samples.has_bottom[i] = has_bottom;
    const int32_t columns = last_x[i] + 1;
    const int32_t x_left = std::max(x0, 0), x_right = std::min(x0 + 1, last_x[i]);
    const int32_t y_top = first_row[i] + std::max(y0, 0) * columns;
    const int32_t y_bottom = first_row[i] + std::min(y0 + 1, last_y[i]) * columns;
    samples.row[0][i] = y_top + x_left;
    samples.row[1][i] = y_top + x_right;
    samples.row[2][i] = y_bottom + x_left;
    samples.row[3][i] = y_bottom + x_right;
    samples.inside[i] = inside;
  }
}

// Adds the samples' kVectors * kLanes channels to `output`.
template <class T, int kVectors>
void gather(Rows<const T> value, const Samples<T>& samples, int count, T* output) {
  using S = Simd<T>;
  typename S::Vector upper[kVectors], lower[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    upper[v] = S::load(output + v * S::kLanes);
    lower[v] = typename S::Vector{};
  }
  for (int i = 0; i < count; ++i) {
    if (!samples.inside[i]) continue;
    const T* corner[4];
    for (int c = 0; c < 4; ++c) corner[c] = value[samples.row[c][i]];
    for (int v = 0; v < kVectors; ++v) {
      const int offset = v * S::kLanes;
      upper[v] += S::load(corner[0] + offset) * samples.coefficient[0][i];
      lower[v] += S::load(corner[2] + offset) * samples.coefficient[2][i];
      upper[v] += S::load(corner[1] + offset) * samples.coefficient[1][i];
      lower[v] += S::load(corner[3] + offset) * samples.coefficient[3][i];
    }
  }
  for (int v = 0; v < kVectors; ++v) S::store(output + v * S::kLanes, upper[v] + lower[v]);
}

// Adds the lanes in pairs of pairs, which rounds less than one after the other.
template <class T>
T horizontal_sum(typename Simd<T>::Vector vector) {
  typedef T Part __attribute__((vector_size(16)));
  constexpr int parts = kVectorBytes / 16;
  Part part[parts];
  std::memcpy(part, &vector, kVectorBytes);
  for (int count = parts / 2; count > 0; count /= 2) {
    for (int i = 0; i < count; ++i) part[i] += part[i + count];
  }
  if constexpr (sizeof(T) == 8) {
    return part[0][0] + part[0][1];
  } else {
    return (part[0][0] + part[0][2]) + (part[0][1] + part[0][3]);
  }
}

// For each sample: adds the gradient to the four corners' rows, and its product with their values
// to `dot`.
template <class T, int kVectors>
void scatter(Rows<const T> value, Rows<T> value_grad, const T* grad, int count,
             Samples<T>& samples) {
  using S = Simd<T>;
  typename S::Vector gradient[kVectors];
  for (int v = 0; v < kVectors; ++v) gradient[v] = S::load(grad + v * S::kLanes);
  for (int i = 0; i < count; ++i) {
    if (!samples.inside[i]) continue;
    for (int c = 0; c < 4; ++c) {
      const T* corner = value[samples.row[c][i]];
      T* corner_grad = value_grad[samples.row[c][i]];
      typename S::Vector product{};
      for (int v = 0; v < kVectors; ++v) {
        const int offset = v * S::kLanes;
        product += S::load(corner + offset) * gradient[v];
        S::store(corner_grad + offset, S::load(corner_grad + offset) +
                                           gradient[v] * samples.coefficient[c][i]);
      }
      samples.dot[c][i] += horizontal_sum<T>(product);
    }
  }
}

// Calls `body` with 4, 2 or 1 vectors at a time and the first channel of each, up to `channels`.
template <class T, class Body>
void for_channel_vectors(int64_t channels, Body body) {
  constexpr int lanes = Simd<T>::kLanes;
  int64_t first = 0;
  for (; channels - first > 3 * lanes; first += 4 * lanes) {
    body(std::integral_constant<int, 4>(), first);
  }
  for (; channels - first > lanes; first += 2 * lanes) {
    body(std::integral_constant<int, 2>(), first);
  }
  for (; channels - first > 0; first += lanes) body(std::integral_constant<int, 1>(), first);
}

// Channels rounded up to what `for_channel_vectors` touches.
template <class T>
int64_t padded_channels(int64_t channels) {
  int64_t touched = 0;
  for_channel_vectors<T>(channels, [&](auto vectors, int64_t first) {
    touched = first + decltype(vectors)::value * Simd<T>::kLanes;
  });
  return touched;
}

// Copies rows next to each other, filled up with zeros.
template <class T>
Rows<const T> pack(Rows<const T> rows, int64_t count, int64_t channels, Rows<T> packed) {
  for (int64_t row = 0; row < count; ++row) {
    std::memcpy(packed[row], rows[row], channels * sizeof(T));
    std::fill(packed[row] + channels, packed[row] + packed.stride, T(0));
  }
  return {packed.base, packed.stride};
}

// Where a query and head stand in the tensors that have an entry for each of both.
int64_t item_index(const Shape& shape, int64_t pair, int64_t query) {
  return (pair / shape.heads * shape.queries + query) * shape.heads + pair % shape.heads;
}

template <class T>
bool worth_packing(const Shape& shape, int64_t corners, int64_t rows) {
  return padded_channels<T>(shape.channels) != shape.channels || corners > rows;
}

template <class T>
struct ForwardTensors {
  const T *value, *locations, *attention;
  T* output;
};

// The rows of one batch entry and head of the value.
template <class T>
Rows<T> head_rows(const Shape& shape, T* value, int64_t pair) {
  return {value + pair / shape.heads * shape.value_batch_stride +
              pair % shape.heads * shape.value_head_stride,
          shape.value_position_stride};
}

template <class T>
void forward_query(const Shape& shape, const ForwardTensors<T>& tensors,
                   const SampleLevels<T>& levels, int64_t item, Rows<const T> rows, T* sums) {
  Samples<T> samples;
  const int64_t item_samples = shape.levels * shape.points;
  for (int64_t first = 0; first < item_samples; first += kBlock) {
    const int count = static_cast<int>(std::min<int64_t>(item_samples - first, kBlock));
    const int64_t sample = item * item_samples + first;
    load_samples(tensors.locations + 2 * sample, tensors.attention + sample, count, samples);
    locate(levels, first, samples);
    for_channel_vectors<T>(shape.channels, [&](auto vectors, int64_t channel) {
      gather<T, decltype(vectors)::value>({rows.base + channel, rows.stride}, samples, count,
                                          sums + channel);
    });
  }
  std::memcpy(tensors.output + item * shape.channels, sums, shape.channels * sizeof(T));
}

// Queries [start, stop) of one batch entry and head; `sums` holds one padded row of channels.
template <class T>
void forward_task(const Shape& shape, const ForwardTensors<T>& tensors,
                  const SampleLevels<T>& levels, int64_t pair, int64_t start, int64_t stop,
                  Rows<const T> rows, T* sums) {
  const int64_t item_samples = shape.levels * shape.points;
  for (int64_t query = start; query < stop; ++query) {
    const int64_t item = item_index(shape, pair, query);
    const int64_t ahead = item_index(shape, pair, std::min(query + kQueriesAhead, stop - 1));
    prefetch(tensors.locations + 2 * ahead * item_samples, 2 * item_samples);
    prefetch(tensors.attention + ahead * item_samples, item_samples);
    prefetch(tensors.output + ahead * shape.channels, shape.channels);
    std::fill_n(sums, padded_channels<T>(shape.channels), T(0));
    forward_query(shape, tensors, levels, item, rows, sums);
  }
}

// Returns 0, or 1 where memory runs out.
template <class T>
int forward(const Shape& shape, const ForwardTensors<T>& tensors) {
  const int64_t pairs = shape.batch * shape.heads;
  const int64_t row_size = padded_channels<T>(shape.channels);
  const int64_t wanted_chunks = (2 * shape.threads + pairs - 1) / pairs;
  const int64_t chunk = (shape.queries + wanted_chunks - 1) / wanted_chunks;
  const int64_t chunks = (shape.queries + chunk - 1) / chunk;
  const int64_t corners = 4 * chunk * shape.levels * shape.points;
  const bool packs = worth_packing<T>(shape, corners, shape.positions);
  const int64_t memory_size = (packs ? shape.positions + 1 : 1) * row_size;
  const Memory<T> memory = allocate<T>(shape.threads * memory_size);
  if (!memory) return 1;
  const SampleLevels<T> levels(shape, 0, shape.levels, 0);

#pragma omp parallel for num_threads(shape.threads) schedule(dynamic)
  for (int64_t task = 0; task < pairs * chunks; ++task) {
    const int64_t pair = task / chunks, start = task % chunks * chunk;
    T* sums = memory.get() + thread_index() * memory_size;
    Rows<const T> rows = head_rows(shape, tensors.value, pair);
    if (packs) rows = pack(rows, shape.positions, shape.channels, {sums + row_size, row_size});
    forward_task(shape, tensors, levels, pair, start, std::min(start + chunk, shape.queries),
                 rows, sums);
  }
  return 0;
}

// The locations' and weights' gradients from the dot products that `scatter` left.
template <class T>
void store_sample_grads(const SampleLevels<T>& levels, int64_t first, const Samples<T>& samples,
                        int count, T* location_grad, T* attention_grad) {
  for (int i = 0; i < count; ++i) {
    const T upper = samples.left[i] * samples.dot[0][i] + samples.right[i] * samples.dot[1][i];
    const T lower = samples.left[i] * samples.dot[2][i] + samples.right[i] * samples.dot[3][i];
    const T left = samples.top[i] * samples.dot[0][i] + samples.bottom[i] * samples.dot[2][i];
    const T right = samples.top[i] * samples.dot[1][i] + samples.bottom[i] * samples.dot[3][i];
    const T along_x = samples.has_right[i] * right - samples.has_left[i] * left;
    const T along_y = samples.has_bottom[i] * lower - samples.has_top[i] * upper;
    const bool inside = samples.inside[i];
    const T attention = samples.attention[i];
    location_grad[2 * i] = inside ? along_x * levels.width[first + i] * attention : T(0);
    location_grad[2 * i + 1] = inside ? along_y * levels.height[first + i] * attention : T(0);
    attention_grad[i] = inside ? samples.top[i] * upper + samples.bottom[i] * lower : T(0);
  }
}

// Levels [first, last) of a backward task and the rows [first_row, last_row) they lie in.
struct LevelRange {
  int64_t first, last, first_row, last_row;
};

int64_t end_of_level(const Shape& shape, int64_t level) {
  return shape.starts[level] + shape.sides[2 * level] * shape.sides[2 * level + 1];
}

bool levels_share_rows(const Shape& shape) {
  for (int64_t level = 0; level < shape.levels; ++level) {
    for (int64_t other = 0; other < level; ++other) {
      if (shape.starts[level] < end_of_level(shape, other) &&
          shape.starts[other] < end_of_level(shape, level)) {
        return true;
      }
    }
  }
  return false;
}

// All levels together where there are enough pairs of batch entry and head to keep the threads
// busy, or where levels share rows and so must take turns; else each level by itself.
std::vector<LevelRange> level_ranges(const Shape& shape) {
  if (shape.batch * shape.heads >= shape.threads || levels_share_rows(shape)) {
    return {{0, shape.levels, 0, shape.positions}};
  }
  std::vector<LevelRange> ranges;
  for (int64_t level = 0; level < shape.levels; ++level) {
    ranges.push_back({level, level + 1, shape.starts[level], end_of_level(shape, level)});
  }
  return ranges;
}

template <class T>
struct BackwardTensors {
  const T *grad, *value, *locations, *attention;
  T *value_grad, *location_grad, *attention_grad;
};

template <class T>
void backward_query(const Shape& shape, const BackwardTensors<T>& tensors,
                    const SampleLevels<T>& levels, const LevelRange& range, int64_t item,
                    Rows<const T> rows, Rows<T> row_grads, const T* grad) {
  Samples<T> samples;
  const int64_t range_samples = (range.last - range.first) * shape.points;
  for (int64_t first = 0; first < range_samples; first += kBlock) {
    const int count = static_cast<int>(std::min<int64_t>(range_samples - first, kBlock));
    const int64_t sample = (item * shape.levels + range.first) * shape.points + first;
    load_samples(tensors.locations + 2 * sample, tensors.attention + sample, count, samples);
    locate(levels, first, samples);
    std::memset(samples.dot, 0, sizeof(samples.dot));
    for_channel_vectors<T>(shape.channels, [&](auto vectors, int64_t channel) {
      scatter<T, decltype(vectors)::value>({rows.base + channel, rows.stride},
                                           {row_grads.base + channel, row_grads.stride},
                                           grad + channel, count, samples);
    });
    store_sample_grads(levels, first, samples, count, tensors.location_grad + 2 * sample,
                       tensors.attention_grad + sample);
  }
}

// `grad` holds one padded row of channels.
template <class T>
void backward_task(const Shape& shape, const BackwardTensors<T>& tensors,
                   const SampleLevels<T>& levels, const LevelRange& range, int64_t pair,
                   Rows<const T> rows, Rows<T> row_grads, T* grad) {
  const int64_t samples = (range.last - range.first) * shape.points;
  std::fill_n(grad, padded_channels<T>(shape.channels), T(0));
  for (int64_t query = 0; query < shape.queries; ++query) {
    const int64_t item = item_index(shape, pair, query);
    const int64_t ahead =
        item_index(shape, pair, std::min(query + kQueriesAhead, shape.queries - 1));
    const int64_t sample = (ahead * shape.levels + range.first) * shape.points;
    prefetch(tensors.grad + ahead * shape.channels, shape.channels);
    prefetch(tensors.locations + 2 * sample, 2 * samples);
    prefetch(tensors.attention + sample, samples);
    prefetch(tensors.location_grad + 2 * sample, 2 * samples);
    prefetch(tensors.attention_grad + sample, samples);
    std::memcpy(grad, tensors.grad + item * shape.channels, shape.channels * sizeof(T));
    backward_query(shape, tensors, levels, range, item, rows, row_grads, grad);
  }
}

// The rows of one head of the value's gradient, which is contiguous.
template <class T>
Rows<T> head_row_grads(const Shape& shape, T* value_grad, int64_t pair) {
  const int64_t position_size = shape.heads * shape.channels;
  return {value_grad + pair / shape.heads * shape.positions * position_size +
              pair % shape.heads * shape.channels,
          position_size};
}

// `value_grad` must hold zeros. Returns 0, or 1 where memory runs out.
template <class T>
int backward(const Shape& shape, const BackwardTensors<T>& tensors) {
  const std::vector<LevelRange> ranges = level_ranges(shape);
  const int64_t pairs = shape.batch * shape.heads;
  const int64_t row_size = padded_channels<T>(shape.channels);
  const int64_t memory_size = (2 * shape.positions + 1) * row_size;
  const Memory<T> memory = allocate<T>(shape.threads * memory_size);
  if (!memory) return 1;
  std::vector<SampleLevels<T>> levels;
  for (const LevelRange& range : ranges) {
    levels.emplace_back(shape, range.first, range.last, range.first_row);
  }

  // Threads work on different heads of the same levels at a time: few share a cache line.
#pragma omp parallel for num_threads(shape.threads) schedule(dynamic)
  for (int64_t task = 0; task < pairs * static_cast<int64_t>(ranges.size()); ++task) {
    const int64_t pair = task % pairs;
    const LevelRange& range = ranges[task / pairs];
    const int64_t count = range.last_row - range.first_row;
    const int64_t corners = 4 * shape.queries * (range.last - range.first) * shape.points;
    const bool packs = worth_packing<T>(shape, corners, count);
    T* grad = memory.get() + thread_index() * memory_size;
    Rows<const T> rows = head_rows(shape, tensors.value, pair);
    rows.base = rows[range.first_row];
    Rows<T> value_grads = head_row_grads(shape, tensors.value_grad, pair);
    value_grads.base = value_grads[range.first_row];
    Rows<T> row_grads = value_grads;
    if (packs) {
      row_grads = {grad + (count + 1) * row_size, row_size};
      std::fill_n(row_grads.base, count * row_size, T(0));
      rows = pack(rows, count, shape.channels, {grad + row_size, row_size});
    }
    backward_task(shape, tensors, levels[task / pairs], range, pair, rows, row_grads, grad);
    for (int64_t row = 0; packs && row < count; ++row) {
      std::memcpy(value_grads[row], row_grads[row], shape.channels * sizeof(T));
    }
  }
  return 0;
}

}  // namespace

extern "C" {
int ms_deform_attn_forward_f32(const Shape* shape, const float* value, const float* locations,
                               const float* attention, float* output) {
  return forward<float>(*shape, {value, locations, attention, output});
}

int ms_deform_attn_forward_f64(const Shape* shape, const double* value, const double* locations,
                               const double* attention, double* output) {
  return forward<double>(*shape, {value, locations, attention, output});
}

int ms_deform_attn_backward_f32(const Shape* shape, const float* grad, const float* value,
                                const float* locations, const float* attention, float* value_grad,
                                float* location_grad, float* attention_grad) {
  return backward<float>(*shape, {grad, value, locations, attention, value_grad, location_grad,
                                  attention_grad});
}

int ms_deform_attn_backward_f64(const Shape* shape, const double* grad, const double* value,
                                const double* locations, const double* attention,
                                double* value_grad, double* location_grad,
                                double* attention_grad) {
  return backward<double>(*shape, {grad, value, locations, attention, value_grad, location_grad,
                                   attention_grad});
}
}
