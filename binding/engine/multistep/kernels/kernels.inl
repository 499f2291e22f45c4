// The arithmetic of the multi-step engine, included once for each instruction set in a namespace of its own,
// by a file that has defined, for that set:
//
//   constexpr int kLanes       floats in a vector
//   constexpr int kColumns     vectors beside each other in multiply_rows()
//   Vector fused(a, b, c)      a * b + c, rounded once where the machine can
//   Vector square_root(a)      rounded to the nearest
//   unsigned fires(h, least)   a bit for each lane with h >= least
//   void add_bits(bytes, bits) adds each of 64 bits to a byte
//   void spread(values, bits, value)  `value` where a bit is set, otherwise 0
//
// and compiles it for the set. No function of the standard library may be called in here that is not certain
// to be inlined: the linker keeps one copy of it, which could be the one that not every machine runs.

static_assert(kBlock % kLanes == 0);
constexpr int kVectors = kBlock / kLanes;  // in a block

inline Vector load(const float* from) { return *reinterpret_cast<const Vector*>(from); }
inline void store(float* to, Vector value) { *reinterpret_cast<Vector*>(to) = value; }
inline Vector all(float value) { return value - Vector{}; }
inline std::uint32_t bits_of(float value) { return __builtin_bit_cast(std::uint32_t, value); }
inline float float_of(std::uint32_t bits) { return __builtin_bit_cast(float, bits); }

// --- Sums of the weights of active inputs
// ---------------------------------------------------------------------

// What an entry of a list adds: the weights of its channel, for a spike, or their share.

inline std::int64_t row_of(std::uint8_t channel) { return static_cast<std::int64_t>(channel) * kBlock; }
inline std::int64_t row_of(const MeanEvent& event) { return event.row; }
inline Vector add_event(Vector sum, const float* weight, std::uint8_t) { return sum + load(weight); }
inline Vector add_event(Vector sum, const float* weight, const MeanEvent& event) {
  return fused(all(event.mean), load(weight), sum);
}

/// Keeps a pointer in a register of its own. Of an address with an index the compiler would make two
/// instructions of each addition, and a machine that is busy reading them does not get ahead of the additions
/// to the end of a list, which it cannot foresee.
inline const float* in_register(const float* pointer) {
  asm("" : "+r"(pointer));
  return pointer;
}

constexpr int kGroup =
    kVectors < 4 ? kVectors : 4;  // three times as many sums fit in the registers of every set

/// Adds the rows that a list names to each other, every other one apart, so that an addition need not wait
/// for the one before, and then to `sum`.
template <typename Entry>
inline void add_list(Vector (&sum)[kGroup], const float* column, const Entry* e, const Entry* end) {
  alignas(64) static constexpr float kNothing[kBlock] = {};
  if (e == end) return;
  // A list of odd length starts with a row by itself, others with zeros. Chosen without a jump, which would
  // be foreseen half of the time.
  const auto single = (end - e) & 1;
  const auto nothing = reinterpret_cast<std::uintptr_t>(kNothing);
  const auto row = reinterpret_cast<std::uintptr_t>(column + row_of(*e));
  const float* alone = in_register(
      reinterpret_cast<const float*>(nothing + ((row - nothing) & -static_cast<std::uintptr_t>(single))));
  Vector odd[kGroup] = {};
  for (int v = 0; v < kGroup; ++v) sum[v] = add_event(sum[v], alone + v * kLanes, *e);
  for (e += single; e != end; e += 2) {
    const float* first = in_register(column + row_of(e[0]));
    const float* second = in_register(column + row_of(e[1]));
    for (int v = 0; v < kGroup; ++v) sum[v] = add_event(sum[v], first + v * kLanes, e[0]);
    for (int v = 0; v < kGroup; ++v) odd[v] = add_event(odd[v], second + v * kLanes, e[1]);
  }
  for (int v = 0; v < kGroup; ++v) sum[v] = sum[v] + odd[v];
}

/// Adds to the sums of a time step what it has in common with the other of its pair, and its own list.
template <typename Entry>
inline void add_step(float* sums, const Vector (&common)[kGroup], const float* column, const Entry* e,
                     const Entry* end) {
  Vector sum[kGroup];
  for (int v = 0; v < kGroup; ++v) sum[v] = common[v];
  add_list(sum, column, e, end);
  for (int v = 0; v < kGroup; ++v) store(sums + v * kLanes, load(sums + v * kLanes) + sum[v]);
}

/// Adds the rows of `slab` that the lists of a pixel name to the sums of their time steps: to each other
/// first, so that the rounding errors of a long sum stay those of a few additions. Not inlined: the compiler
/// then keeps the sums in registers.
///
/// @param offsets where the lists of each pair of time steps begin, and where the last one ends
/// @param following, end weights that are needed next: a line is fetched for every time step
/// @returns what is left of them
template <typename Entry>
[[gnu::noinline]] const float* add_lists(float* sums, const float* slab, const Entry* entries,
                                         const std::uint32_t* offsets, std::int64_t pairs,
                                         const float* following, const float* following_end) {
  for (std::int64_t pair = 0; pair < pairs; ++pair, sums += 2 * kBlock, offsets += kPairLists) {
    const Entry* const both = entries + offsets[0];
    const Entry* const first = entries + offsets[1];
    const Entry* const second = entries + offsets[2];
    const Entry* const end = entries + offsets[3];
    if (both == end) continue;
    for (int line = 0; line < 2 && following != following_end; ++line, following += 16) {
      __builtin_prefetch(following, 0, 3);
    }
    for (int group = 0; group < kVectors; group += kGroup) {
      const float* column = slab + group * kLanes;
      float* to = sums + group * kLanes;
      Vector common[kGroup] = {};
      add_list(common, column, both, first);
      if (both != second) add_step(to, common, column, first, second);
      if (both != first || second != end) add_step(to + kBlock, common, column, second, end);
    }
  }
  return following;
}

template <typename Entry>
void accumulate(const EventTask& task) {
  const std::int64_t timesteps = task.timesteps;
  const std::int64_t pairs = step_pairs(timesteps);
  const std::int64_t number = chunks(task.input_channels);
  for (std::int64_t tap = 0; tap < task.taps; ++tap) {
    const std::int32_t* inputs = task.inputs + tap * task.output_pixels;
    for (std::int64_t chunk = 0; chunk < number; ++chunk) {
      const float* slab = task.weights + (tap * task.input_channels + chunk * kChunk) * kBlock;
      const float* following = slab + kChunk * kBlock;  // may be past the end: prefetching is only a hint
      const float* const following_end = following + kChunk * kBlock;
      std::int64_t image = task.first / task.output_pixels;
      std::int64_t pixel = task.first % task.output_pixels;
      float* sums = task.sums;
      for (std::int64_t output = task.first; output < task.last; ++output, sums += timesteps * kBlock) {
        const std::int64_t input = inputs[pixel];
        if (input >= 0) {
          const std::uint32_t* offsets = task.offsets + image * task.offsets_per_image +
                                         (chunk * task.input_pixels + input) * pairs * kPairLists;
          const Entry* entries = static_cast<const Entry*>(task.entries) + image * task.entries_per_image;
          following = add_lists(sums, slab, entries, offsets, pairs, following, following_end);
        }
        if (++pixel == task.output_pixels) {
          pixel = 0;
          ++image;
        }
      }
    }
  }
}

void accumulate_spikes(const EventTask& task) { accumulate<std::uint8_t>(task); }
void accumulate_means(const EventTask& task) { accumulate<MeanEvent>(task); }

// --- The first layer
// --------------------------------------------------------------------------------------------

template <int number>
struct Count {
  static constexpr int value = number;
};

/// Calls `work(count, first)` for all channels of an image: three at a time, which share what is read for
/// them, and those that are left one by one.
template <typename Work>
inline void for_channels(std::int64_t channels, const Work& work) {
  constexpr int kColours = 3;
  std::int64_t first = 0;
  for (; channels - first >= kColours; first += kColours) work(Count<kColours>{}, first);
  for (; first < channels; ++first) work(Count<1>{}, first);
}

void weigh_images(const ImageTask& task) {
  for (std::int64_t output = task.first; output < task.last; ++output) {
    const std::int64_t image = output / task.output_pixels;
    const std::int64_t pixel = output % task.output_pixels;
    Vector sum[kVectors] = {};
    for (std::int64_t tap = 0; tap < task.taps; ++tap) {
      const std::int64_t input = task.inputs[tap * task.output_pixels + pixel];
      if (input < 0) continue;
      const float* values = task.images + (image * task.input_pixels + input) * task.input_channels;
      const float* weights = task.weights + tap * task.input_channels * kBlock;
      for (std::int64_t c = 0; c < task.input_channels; ++c) {
        const Vector value = all(values[c]);
        for (int v = 0; v < kVectors; ++v) {
          sum[v] = fused(value, load(weights + c * kBlock + v * kLanes), sum[v]);
        }
      }
    }
    float* sums = task.sums + (output - task.first) * kBlock;
    for (int v = 0; v < kVectors; ++v) store(sums + v * kLanes, sum[v]);
  }
}

template <int channels>
void image_gradient_of(const ImageGradientTask& task, std::int64_t first) {
  Vector sum[channels][kVectors] = {};
  for (std::int64_t tap = 0; tap < task.taps; ++tap) {
    const std::int64_t output = task.outputs[tap * task.output_stride];
    if (output < 0) continue;
    for (std::int64_t block = 0; block < task.output_blocks; ++block) {
      const float* sums = task.sums + block * task.sums_per_block + output * kBlock;
      const float* weights =
          task.weights + block * task.weights_per_block + tap * task.weights_per_tap + first * kBlock;
      for (int v = 0; v < kVectors; ++v) {
        const Vector value = load(sums + v * kLanes);
        for (int c = 0; c < channels; ++c) {
          sum[c][v] = fused(value, load(weights + c * kBlock + v * kLanes), sum[c][v]);
        }
      }
    }
  }
  for (int c = 0; c < channels; ++c) {
    // The lanes are added in an order that does not depend on their number.
    float lanes[kBlock];
    for (int v = 0; v < kVectors; ++v) store(lanes + v * kLanes, sum[c][v]);
    for (std::int64_t width = kBlock / 2; width > 0; width /= 2) {
      for (std::int64_t i = 0; i < width; ++i) lanes[i] += lanes[i + width];
    }
    task.gradient[first + c] = lanes[0];
  }
}

void image_gradient(const ImageGradientTask& task) {
  for_channels(task.input_channels,
               [&](auto count, std::int64_t first) { image_gradient_of<count.value>(task, first); });
}

// --- Neurons
// ----------------------------------------------------------------------------------------------------

void fire(const FireTask& task) {
  const Vector leak = all(task.leak);
  const Vector threshold = all(task.threshold);
  const Vector least = all(task.least_firing);
  for (std::int64_t t = 0; t < task.timesteps; ++t) task.spikes[t * task.spike_stride] = 0;
  for (int v = 0; v < kVectors; ++v) {
    const float* current = task.currents + v * kLanes;
    float* membrane = task.membrane ? task.membrane + v * kLanes : nullptr;
    std::uint64_t* spikes = task.spikes;
    Vector potential{};
    for (std::int64_t t = 0; t < task.timesteps; ++t) {
      const Vector before = leak * potential + load(current);
      if (membrane) store(membrane + t * kBlock, before);
      potential = before >= least ? before - threshold : before;
      *spikes |= static_cast<std::uint64_t>(fires(before, least)) << (v * kLanes);
      current += task.current_stride;
      spikes += task.spike_stride;
    }
  }
}

template <SurrogateShape shape>
std::int64_t neuron_backward(const NeuronBackwardTask& task) {
  const bool relative = task.scale == SurrogateScale::kThreshold;
  const float divisor = relative ? task.threshold : 1.0F;
  float later[kBlock] = {};  // the gradient by the current of the next time step
  std::int64_t first_active = task.timesteps;
  for (std::int64_t t = task.timesteps - 1; t >= 0; --t) {
    float* membrane = task.membrane + t * kBlock;
    const float* gradient = task.gradient + t * kBlock;
    int active = 0;
    for (std::int64_t i = 0; i < kBlock; ++i) {
      const float x = relative ? membrane[i] / task.threshold - 1.0F : membrane[i] - task.threshold;
      const float surrogate = surrogate_value<shape>(x, task.a);
      active |= surrogate != 0.0F;
      later[i] = gradient[i] * task.gradient_scale * surrogate / divisor + task.leak * later[i];
      membrane[i] = later[i];
    }
    if (active) first_active = t;
  }
  return first_active;
}

/// In an order that does not depend on the number of lanes.
inline double sum_of(const float (&values)[kBlock]) {
  constexpr int kSums = 8;
  double sums[kSums] = {};
  for (std::int64_t i = 0; i < kBlock; i += kSums) {
    for (int j = 0; j < kSums; ++j) sums[j] += static_cast<double>(values[i + j]);
  }
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

template <SurrogateShape shape, bool relative>
std::int64_t neuron_training_by(const NeuronBackwardTask& task) {
  // A division takes as long as all the rest of a neuron's arithmetic: that of the membrane is the only one.
  const float threshold = task.threshold, leak = task.leak, a = task.a, least_firing = task.least_firing;
  float scales[kBlock];
  spread(scales, task.kept, relative ? task.gradient_scale / task.threshold : task.gradient_scale);
  float later[kBlock] = {};
  float threshold_sums[kBlock] = {};
  float leak_sums[kBlock] = {};
  const float rest[kBlock] = {};
  std::int64_t first_active = task.timesteps;
  for (std::int64_t t = task.timesteps - 1; t >= 0; --t) {
    float* membrane = task.membrane + t * kBlock;
    const float* earlier = t == 0 ? rest : membrane - kBlock;
    const float* gradient = task.gradient + t * kBlock;
    int active = 0;
    for (std::int64_t i = 0; i < kBlock; ++i) {
      const float u = relative ? membrane[i] / threshold : 1.0F;
      const float x = relative ? u - 1.0F : membrane[i] - threshold;
      const float surrogate = surrogate_value<shape>(x, a);
      active |= surrogate != 0.0F;
      const float direct = gradient[i] * surrogate * scales[i];
      const float decayed = leak * later[i];
      const float before = earlier[i] >= least_firing ? earlier[i] - threshold : earlier[i];
      const float by_reset = membrane[i] >= least_firing ? decayed : 0.0F;
      threshold_sums[i] -= direct * u + by_reset;
      later[i] = direct + decayed;
      leak_sums[i] += later[i] * before;
      membrane[i] = later[i];
    }
    if (active) first_active = t;
  }
  task.scalar_sums[0] = sum_of(threshold_sums);
  task.scalar_sums[1] = sum_of(leak_sums);
  return first_active;
}

template <SurrogateShape shape>
std::int64_t neuron_training(const NeuronBackwardTask& task) {
  return task.scale == SurrogateScale::kThreshold ? neuron_training_by<shape, true>(task)
                                                  : neuron_training_by<shape, false>(task);
}

// --- Gradients by the weights
// -----------------------------------------------------------------------------------

inline Vector add_gradient(Vector sum, Vector gradient, std::uint8_t) { return sum + gradient; }
inline Vector add_gradient(Vector sum, Vector gradient, const MeanEvent& event) {
  return fused(all(event.mean), gradient, sum);
}

/// Adds a row of gradients, or the sum of two, to the rows of `slab` that a list names.
/// @param other may be null
template <typename Entry>
[[gnu::noinline]] void add_gradients(float* slab, const float* gradient, const float* other, float scale,
                                     const Entry* entry, const Entry* end) {
  for (int group = 0; group < kVectors; group += kGroup) {
    Vector row[kGroup];
    for (int v = 0; v < kGroup; ++v) {
      const int at = (group + v) * kLanes;
      row[v] = (other ? load(gradient + at) + load(other + at) : load(gradient + at)) * all(scale);
    }
    for (const Entry* e = entry; e != end; ++e) {
      float* to = slab + row_of(*e) + group * kLanes;
      for (int v = 0; v < kGroup; ++v)
        store(to + v * kLanes, add_gradient(load(to + v * kLanes), row[v], *e));
    }
  }
}

template <typename Entry>
void weight_gradient(const WeightGradientTask& task) {
  const EventTask& inputs = task.inputs;
  const std::int64_t timesteps = inputs.timesteps;
  const std::int64_t pairs = step_pairs(timesteps);
  // The gradients of a tile stay in the second-level cache while the taps pass by.
  const std::int64_t tile = 1024 / timesteps > 0 ? 1024 / timesteps : 1;
  for (std::int64_t first = inputs.first; first < inputs.last; first += tile) {
    const std::int64_t last = first + tile < inputs.last ? first + tile : inputs.last;
    for (std::int64_t tap = task.first_tap; tap < task.last_tap; ++tap) {
      float* slab = task.weights + (tap - task.first_tap) * task.tap_stride;
      for (std::int64_t output = first; output < last; ++output) {
        const std::int64_t image = output / inputs.output_pixels;
        const std::int64_t input = inputs.inputs[tap * inputs.output_pixels + output % inputs.output_pixels];
        if (input < 0) continue;
        const std::uint32_t* offsets = inputs.offsets + image * inputs.offsets_per_image +
                                       (task.chunk * inputs.input_pixels + input) * pairs * kPairLists;
        const Entry* entries = static_cast<const Entry*>(inputs.entries) + image * inputs.entries_per_image;
        const float* gradient = task.gradients + output * timesteps * kBlock;
        for (std::int64_t pair = 0; pair < pairs; ++pair, offsets += kPairLists, gradient += 2 * kBlock) {
          const float* const next = gradient + kBlock;  // not there, but in no list, for a step without pair
          const auto add = [&](int list, const float* row, const float* other) {
            if (offsets[list] == offsets[list + 1]) return;
            add_gradients(slab, row, other, task.scale, entries + offsets[list], entries + offsets[list + 1]);
          };
          add(0, gradient, next);
          add(1, gradient, nullptr);
          add(2, next, nullptr);
        }
      }
    }
  }
}

void spike_weight_gradient(const WeightGradientTask& task) { weight_gradient<std::uint8_t>(task); }
void mean_weight_gradient(const WeightGradientTask& task) { weight_gradient<MeanEvent>(task); }

template <int channels>
void image_weight_gradient_of(const ImageWeightGradientTask& task, std::int64_t first) {
  for (int group = 0; group < kVectors; group += kGroup) {
    // The sum over an image is added as a whole, so that the error of a sum does not grow with the batch.
    Vector sum[channels][kGroup] = {};
    for (std::int64_t pixel = 0; pixel < task.output_pixels; ++pixel) {
      const std::int64_t input = task.inputs[pixel];
      if (input < 0) continue;
      const float* values = task.image + input * task.input_channels + first;
      for (int v = 0; v < kGroup; ++v) {
        const Vector gradient = load(task.gradients + pixel * kBlock + (group + v) * kLanes);
        for (int c = 0; c < channels; ++c) sum[c][v] = fused(all(values[c]), gradient, sum[c][v]);
      }
    }
    for (int c = 0; c < channels; ++c) {
      float* to = task.weights + (first + c) * kBlock + group * kLanes;
      for (int v = 0; v < kGroup; ++v) store(to + v * kLanes, load(to + v * kLanes) + sum[c][v]);
    }
  }
}

void image_weight_gradient(const ImageWeightGradientTask& task) {
  for_channels(task.input_channels,
               [&](auto count, std::int64_t first) { image_weight_gradient_of<count.value>(task, first); });
}

// --- Updates
// ----------------------------------------------------------------------------------------------------

template <UpdateRule::Kind kind, bool first_moment, bool largest_square>
double update_weights_by(const UpdateTask& task) {
  const UpdateRule& rule = task.rule;
  const Vector decay = all(rule.weight_decay), step = all(rule.step), momentum = all(rule.momentum);
  const Vector mean_share = all(rule.mean_share), squares_kept = all(rule.squares_kept);
  const Vector squares_share = all(rule.squares_share);
  const Vector root_scale = all(rule.root_scale), epsilon = all(rule.epsilon);
  float lanes[kBlock];  // so that the order of the sum does not depend on the number of lanes
  for (int group = 0; group < kVectors; group += kGroup) {
    Vector sum[kGroup] = {};
    for (std::int64_t row = 0; row < task.count; ++row) {
      for (int v = 0; v < kGroup; ++v) {
        const std::int64_t at = row * kBlock + (group + v) * kLanes;
        // All is read before anything is written: the tensors may lie at the same place of their pages, and a
        // machine takes a load behind such a store for one of what is stored.
        const Vector weight = load(task.weights + at);
        const Vector given = load(task.gradients + at);
        const Vector first = first_moment ? load(task.moments[0] + at) : Vector{};
        const Vector second = kind == UpdateRule::Kind::kAdam ? load(task.moments[1] + at) : Vector{};
        const Vector third = largest_square ? load(task.moments[2] + at) : Vector{};
        sum[v] = fused(given, given, sum[v]);
        const Vector gradient = fused(decay, weight, given);
        if constexpr (kind == UpdateRule::Kind::kSgd) {
          const Vector buffer = fused(momentum, first, gradient);
          store(task.weights + at, weight - step * buffer);
          if constexpr (first_moment) store(task.moments[0] + at, buffer);
        } else {
          const Vector mean = fused(mean_share, gradient - first, first);
          const Vector squares = fused(squares_share * gradient, gradient, squares_kept * second);
          Vector largest = squares;
          if constexpr (largest_square) largest = third > squares ? third : squares;
          const Vector root = fused(root_scale, square_root(largest), epsilon);
          store(task.weights + at, weight - step * mean / root);
          store(task.moments[0] + at, mean);
          store(task.moments[1] + at, squares);
          if constexpr (largest_square) store(task.moments[2] + at, largest);
        }
      }
    }
    for (int v = 0; v < kGroup; ++v) store(lanes + (group + v) * kLanes, sum[v]);
  }
  return sum_of(lanes);
}

double update_weights(const UpdateTask& task) {
  using Kind = UpdateRule::Kind;
  if (task.rule.kind == Kind::kSgd) {
    return task.moments[0] ? update_weights_by<Kind::kSgd, true, false>(task)
                           : update_weights_by<Kind::kSgd, false, false>(task);
  }
  return task.moments[2] ? update_weights_by<Kind::kAdam, true, true>(task)
                         : update_weights_by<Kind::kAdam, true, false>(task);
}

// --- Products
// ---------------------------------------------------------------------------------------------------

template <int rows>
[[gnu::noinline]] void multiply(const float* const* a, float* const* c, const float* b, std::int64_t k,
                                bool accumulate) {
  const float* row[rows];
  for (int r = 0; r < rows; ++r) row[r] = a[r];
  for (int column = 0; column < kVectors; column += kColumns) {
    Vector sum[rows][kColumns] = {};
    if (accumulate) {
      for (int r = 0; r < rows; ++r) {
        for (int v = 0; v < kColumns; ++v) sum[r][v] = load(c[r] + (column + v) * kLanes);
      }
    }
    const float* factors = b + column * kLanes;
    for (std::int64_t i = 0; i < k; ++i, factors += kBlock) {
      Vector factor[kColumns];
      for (int v = 0; v < kColumns; ++v) factor[v] = load(factors + v * kLanes);
      for (int r = 0; r < rows; ++r) {
        const Vector value = all(row[r][i]);
        for (int v = 0; v < kColumns; ++v) sum[r][v] = fused(value, factor[v], sum[r][v]);
      }
    }
    for (int r = 0; r < rows; ++r) {
      for (int v = 0; v < kColumns; ++v) store(c[r] + (column + v) * kLanes, sum[r][v]);
    }
  }
}

void multiply_rows(const float* const* a, float* const* c, const float* b, std::int64_t k, int rows,
                   bool accumulate) {
  static_assert(kRows == 6);
  switch (rows) {
    case 1:
      return multiply<1>(a, c, b, k, accumulate);
    case 2:
      return multiply<2>(a, c, b, k, accumulate);
    case 3:
      return multiply<3>(a, c, b, k, accumulate);
    case 4:
      return multiply<4>(a, c, b, k, accumulate);
    case 5:
      return multiply<5>(a, c, b, k, accumulate);
    default:
      return multiply<6>(a, c, b, k, accumulate);
  }
}

template <int blocks>
void multiply_factors_by(const FactorTask& task) {
  for (std::int64_t row = 0; row < task.count; ++row) {
    const Factor* const begin = task.factors + task.offsets[row];
    const Factor* const end = task.factors + task.offsets[row + 1];
    if (begin == end) continue;
    for (int group = 0; group < kVectors; group += kGroup) {
      float* const results = task.results[row] + group * kLanes;
      Vector sum[blocks][kGroup];
      for (int b = 0; b < blocks; ++b) {
        for (int v = 0; v < kGroup; ++v) sum[b][v] = load(results + b * task.result_stride + v * kLanes);
      }
      for (const Factor* factor = begin; factor != end; ++factor) {
        const float* const column = in_register(task.columns + factor->row + group * kLanes);
        const Vector value = all(factor->value);
        for (int b = 0; b < blocks; ++b) {
          for (int v = 0; v < kGroup; ++v) {
            sum[b][v] = fused(value, load(column + b * kBlock * kBlock + v * kLanes), sum[b][v]);
          }
        }
      }
      for (int b = 0; b < blocks; ++b) {
        for (int v = 0; v < kGroup; ++v) store(results + b * task.result_stride + v * kLanes, sum[b][v]);
      }
    }
  }
}

void multiply_factors(const FactorTask& task) {
  static_assert(kChunk == 2 * kBlock);
  return task.column_blocks == 2 ? multiply_factors_by<2>(task) : multiply_factors_by<1>(task);
}

typedef float Quad __attribute__((vector_size(16), aligned(4), may_alias));

void transpose_block(const float* in, float* out) {
  const auto quad = [](const float* from) { return *reinterpret_cast<const Quad*>(from); };
  const auto put = [](float* to, Quad value) { *reinterpret_cast<Quad*>(to) = value; };
  for (std::int64_t y = 0; y < kBlock; y += 4) {
    for (std::int64_t x = 0; x < kBlock; x += 4) {
      const float* from = in + y * kBlock + x;
      const Quad a = quad(from), b = quad(from + kBlock), c = quad(from + 2 * kBlock),
                 d = quad(from + 3 * kBlock);
      const Quad ab0 = __builtin_shufflevector(a, b, 0, 4, 1, 5),
                 ab1 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
      const Quad cd0 = __builtin_shufflevector(c, d, 0, 4, 1, 5),
                 cd1 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
      float* to = out + x * kBlock + y;
      put(to, __builtin_shufflevector(ab0, cd0, 0, 1, 4, 5));
      put(to + kBlock, __builtin_shufflevector(ab0, cd0, 2, 3, 6, 7));
      put(to + 2 * kBlock, __builtin_shufflevector(ab1, cd1, 0, 1, 4, 5));
      put(to + 3 * kBlock, __builtin_shufflevector(ab1, cd1, 2, 3, 6, 7));
    }
  }
}

// --- Whole numbers and fixed point
// ------------------------------------------------------------------------------

template <int sources>
SpikeCounts read_levels_of(const SpikeTask& task) {
  SpikeCounts counts{0, 0};
  for (std::int64_t t = 0; t < task.timesteps; ++t) {
    std::uint8_t* levels = task.levels + t * task.step_bytes;
    int active = 0;
    for (std::int64_t word = t * task.words; word < (t + 1) * task.words; ++word, levels += 64) {
      std::uint8_t bytes[64] = {};
      std::uint64_t any = 0;
      for (int source = 0; source < sources; ++source) {
        const std::uint64_t bits = task.sources[source][word];
        any |= bits;
        counts.fired += __builtin_popcountll(bits);
        add_bits(bytes, bits);
      }
      active += __builtin_popcountll(any);
      for (int i = 0; i < 64; ++i) levels[i] = bytes[i];
    }
    task.active[t] += active;
    counts.active += active;
  }
  return counts;
}

SpikeCounts read_levels(const SpikeTask& task) {
  return task.source_count == 1 ? read_levels_of<1>(task) : read_levels_of<4>(task);
}

/// What sums stand for that count 1, 256, 256^2 and so on. Products with 256 are exact, so that it makes no
/// difference whether they are fused with the sums.
template <int number>
float value_of(const std::int32_t (&sums)[number][kMatrixRows], std::int64_t column) {
  float value = 0;
  for (int i = number - 1; i >= 0; --i) value = value * 256.0F + static_cast<float>(sums[i][column]);
  return value;
}

/// What a matrix unit reads as well is read here where a sanitizer watches, which cannot watch a matrix unit.
inline void touch([[maybe_unused]] const void* first, [[maybe_unused]] std::int64_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  const auto* at = static_cast<const volatile std::uint8_t*>(first);
  (void)at[0];
  (void)at[bytes - 1];
#endif
}

inline std::int32_t digit_of(const std::int8_t* panel, int digit, std::int64_t factor, std::int64_t column) {
  return panel[((digit * kMatrixFactors / 4 + factor / 4) * kMatrixRows + column) * 4 + factor % 4];
}

void sum_levels(const LevelTask& task) {
  for (std::int64_t tile = 0; tile < task.count; ++tile) {
    for (std::int64_t row = 0; row < kMatrixRows; ++row) {
      float* sums = task.sums[tile * kMatrixRows + row];
      if (sums == nullptr) {
        for (std::int64_t tap = 0; tap < task.tap_count; ++tap) {
          touch(task.tiles[tile] + row * task.row_stride + task.taps[tap], task.panels * kMatrixFactors);
        }
        continue;
      }
      const std::int8_t* panel = task.weights;
      for (std::int64_t first = 0; first < kBlock; first += kMatrixRows) {
        std::int32_t digits[kDigits][kMatrixRows] = {};
        for (std::int64_t tap = 0; tap < task.tap_count; ++tap) {
          const std::uint8_t* levels = task.tiles[tile] + row * task.row_stride + task.taps[tap];
          for (std::int64_t i = 0; i < task.panels; ++i, levels += kMatrixFactors, panel += kMatrixPanel) {
            for (std::int64_t factor = 0; factor < kMatrixFactors; ++factor) {
              const std::int32_t level = levels[factor];
              if (level == 0) continue;
              for (int digit = 0; digit < kDigits; ++digit) {
                for (std::int64_t column = 0; column < kMatrixRows; ++column) {
                  digits[digit][column] += level * digit_of(panel, digit, factor, column);
                }
              }
            }
          }
        }
        for (std::int64_t column = 0; column < kMatrixRows; ++column) {
          sums[first + column] = value_of(digits, column) * (task.scales[first + column] * task.unit);
        }
      }
    }
  }
}

/// The largest number of three digits.
constexpr float kLargestDigits = 127.0F * 65536.0F + 127.0F * 256.0F + 127.0F;

float split_row(const float* values, std::int64_t count, std::int8_t* digits) {
  std::uint32_t largest = 0;  // the bits of numbers without their sign are in the order of the numbers
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint32_t bits = bits_of(values[i]) & 0x7fffffff;
    largest = bits > largest ? bits : largest;
  }
  constexpr std::uint32_t kInfinity = 0x7f800000;
  if (largest == 0 || largest >= kInfinity) {
    for (std::int64_t i = 0; i < kDigits * count; ++i) digits[i] = 0;
    return largest == 0 ? 0.0F : __builtin_nanf("");
  }
  // The largest becomes a number of 22 or 23 bits. Rows that are below 2^-103 throughout are counted in
  // fewer.
  const std::uint32_t exponent = largest >> 23 > 24 ? largest >> 23 : 24;
  float factor = float_of((127 + 127 + 22 - exponent) << 23);
  if (float_of(largest) * factor > kLargestDigits) factor *= 0.5F;
  for (std::int64_t panel = 0; panel < count; panel += kMatrixFactors) {
    for (std::int64_t i = panel; i < panel + kMatrixFactors; ++i) {
      const float scaled = values[i] * factor;
      const auto number = static_cast<std::int32_t>(scaled + (scaled < 0 ? -0.5F : 0.5F));
      const auto low = static_cast<std::int8_t>(number);
      const std::int32_t rest = (number - low) >> 8;
      const auto middle = static_cast<std::int8_t>(rest);
      digits[i] = low;
      digits[count + i] = middle;
      digits[2 * count + i] = static_cast<std::int8_t>((rest - middle) >> 8);
    }
  }
  return 1.0F / factor;
}

void multiply_digits(const DigitTask& task) {
  const std::int64_t factors = task.panels * kMatrixFactors;
  for (std::int64_t row = task.count; row % kMatrixRows != 0; ++row) {
    touch(task.rows + row * task.row_stride, kDigits * factors);
  }
  for (std::int64_t row = 0; row < task.count; ++row) {
    const std::int8_t* digits = task.rows + row * task.row_stride;
    const std::int8_t* panel = task.weights;
    for (std::int64_t first = 0; first < kBlock; first += kMatrixRows) {
      // By what the products count: 256, 256^2, 256^3 and 256^4.
      std::int32_t sums[4][kMatrixRows] = {};
      for (std::int64_t i = 0; i < task.panels; ++i, panel += kMatrixPanel) {
        for (std::int64_t factor = 0; factor < kMatrixFactors; ++factor) {
          const std::int8_t* at = digits + i * kMatrixFactors + factor;
          const std::int32_t low = at[0], middle = at[factors], high = at[2 * factors];
          for (std::int64_t column = 0; column < kMatrixRows; ++column) {
            const std::int32_t by_low = digit_of(panel, 0, factor, column);
            const std::int32_t by_middle = digit_of(panel, 1, factor, column);
            const std::int32_t by_high = digit_of(panel, 2, factor, column);
            sums[0][column] += low * by_middle + middle * by_low;
            sums[1][column] += low * by_high + middle * by_middle + high * by_low;
            sums[2][column] += middle * by_high + high * by_middle;
            sums[3][column] += high * by_high;
          }
        }
      }
      for (std::int64_t column = 0; column < kMatrixRows; ++column) {
        task.results[row * task.result_stride + first + column] =
            value_of(sums, column) * (task.column_scales[first + column] * 256.0F) * task.row_scales[row];
      }
    }
  }
}

// --- Winograd
// ---------------------------------------------------------------------------------------------------

/// B^T d for one row or column of a patch.
inline void winograd_input_line(const Vector (&d)[kPatch], Vector (&out)[kPatch]) {
  const Vector even = d[4] - 4.0F * d[2], odd = d[3] - 4.0F * d[1];
  const Vector difference = d[4] - d[2], twice = 2.0F * (d[3] - d[1]);
  out[0] = 4.0F * d[0] - 5.0F * d[2] + d[4];
  out[1] = even + odd;
  out[2] = even - odd;
  out[3] = difference + twice;
  out[4] = difference - twice;
  out[5] = 4.0F * d[1] - 5.0F * d[3] + d[5];
}

void winograd_input(const float* const* patch, std::int64_t offset, float* result, std::int64_t stride) {
  for (int v = 0; v < kVectors; ++v) {
    const std::int64_t at = offset + v * kLanes;
    Vector rows[kPatch][kPatch];  // B^T d
    for (int x = 0; x < kPatch; ++x) {
      Vector column[kPatch], transformed[kPatch];
      for (int y = 0; y < kPatch; ++y) column[y] = load(patch[y * kPatch + x] + at);
      winograd_input_line(column, transformed);
      for (int y = 0; y < kPatch; ++y) rows[y][x] = transformed[y];
    }
    for (int y = 0; y < kPatch; ++y) {
      Vector transformed[kPatch];
      winograd_input_line(rows[y], transformed);
      for (int x = 0; x < kPatch; ++x) store(result + (y * kPatch + x) * stride + v * kLanes, transformed[x]);
    }
  }
}

/// A^T m for one row or column of products.
inline void winograd_output_line(const Vector (&m)[kPatch], Vector (&out)[kTile]) {
  const Vector sum1 = m[1] + m[2], difference1 = m[1] - m[2];
  const Vector sum2 = m[3] + m[4], difference2 = m[3] - m[4];
  out[0] = m[0] + sum1 + sum2;
  out[1] = difference1 + 2.0F * difference2;
  out[2] = sum1 + 4.0F * sum2;
  out[3] = difference1 + 8.0F * difference2 + m[5];
}

void winograd_output(const float* products, std::int64_t stride, float* result, std::int64_t result_stride) {
  for (int v = 0; v < kVectors; ++v) {
    Vector rows[kTile][kPatch];  // A^T m
    for (int x = 0; x < kPatch; ++x) {
      Vector column[kPatch], transformed[kTile];
      for (int y = 0; y < kPatch; ++y) column[y] = load(products + (y * kPatch + x) * stride + v * kLanes);
      winograd_output_line(column, transformed);
      for (int y = 0; y < kTile; ++y) rows[y][x] = transformed[y];
    }
    for (int y = 0; y < kTile; ++y) {
      Vector transformed[kTile];
      winograd_output_line(rows[y], transformed);
      for (int x = 0; x < kTile; ++x) {
        store(result + (y * kTile + x) * result_stride + v * kLanes, transformed[x]);
      }
    }
  }
}

constexpr Kernels kKernels = {
    &accumulate_spikes,
    &accumulate_means,
    &weigh_images,
    &fire,
    {
        &neuron_backward<SurrogateShape::kPiecewiseLinear>,
        &neuron_backward<SurrogateShape::kTriangle>,
        &neuron_backward<SurrogateShape::kRectangle>,
        &neuron_backward<SurrogateShape::kSigmoid>,
        &neuron_backward<SurrogateShape::kAtan>,
        &neuron_backward<SurrogateShape::kErf>,
        &neuron_backward<SurrogateShape::kPiecewiseExponential>,
        &neuron_backward<SurrogateShape::kFastSigmoid>,
        &neuron_backward<SurrogateShape::kSuperSpike>,
        &neuron_backward<SurrogateShape::kStraightThrough>,
    },
    {
        &neuron_training<SurrogateShape::kPiecewiseLinear>,
        &neuron_training<SurrogateShape::kTriangle>,
        &neuron_training<SurrogateShape::kRectangle>,
        &neuron_training<SurrogateShape::kSigmoid>,
        &neuron_training<SurrogateShape::kAtan>,
        &neuron_training<SurrogateShape::kErf>,
        &neuron_training<SurrogateShape::kPiecewiseExponential>,
        &neuron_training<SurrogateShape::kFastSigmoid>,
        &neuron_training<SurrogateShape::kSuperSpike>,
        &neuron_training<SurrogateShape::kStraightThrough>,
    },
    &image_gradient,
    &spike_weight_gradient,
    &mean_weight_gradient,
    &image_weight_gradient,
    &update_weights,
    &multiply_rows,
    &multiply_factors,
    &read_levels,
    &sum_levels,
    &split_row,
    &multiply_digits,
    &transpose_block,
    &winograd_input,
    &winograd_output,
};
