// The plain neuron kernels. This file has to be compiled without contraction of a * b + c into one rounding
// (-ffp-contract=off): the original rounds the product first, and a spike can hang on the difference.

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "engine/error.h"
#include "engine/neuron_step.h"
#include "plain_neuron.h"

// One source for all instruction sets: the compiler makes a copy of each kernel per set, and the loader picks
// one at start. Not under ThreadSanitizer, which is not there yet when the loader does.
#if defined(__x86_64__) && defined(__gnu_linux__) && (defined(__GNUC__) || defined(__clang__)) && \
    !defined(__SANITIZE_THREAD__)
#define HIRE_SNN_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define HIRE_SNN_CLONES
#endif

namespace hire_snn {
namespace {

/// Neurons that are carried through all time steps together; their potentials stay in the first-level cache.
constexpr std::int64_t kBlock = 1024;

/// A run of at most kBlock neurons of one sample. Pointers are to the first time step; strides lead to the
/// next.
template <typename scalar>
struct FireBlock {
  const scalar* current;
  std::int64_t current_stride;
  scalar* membrane;
  scalar* spike;
  std::int64_t stride;
  std::int64_t neurons;
  std::int64_t timesteps;
  scalar threshold;
  scalar leak;
  std::int32_t* counts;  // one per time step
};

template <typename scalar>
[[gnu::always_inline]] inline void fire_block(const FireBlock<scalar>& block) {
  std::array<scalar, kBlock> potential{};
  for (std::int64_t t = 0; t < block.timesteps; ++t) {
    const scalar* current = block.current + t * block.current_stride;
    scalar* membrane = block.membrane + t * block.stride;
    scalar* spike = block.spike + t * block.stride;
    std::int32_t fired = 0;
    for (std::int64_t i = 0; i < block.neurons; ++i) {
      const scalar before = integrate(block.leak, potential[i], current[i]);
      const bool fires = before / block.threshold - scalar(1) > scalar(0);
      membrane[i] = before;
      spike[i] = fires ? scalar(1) : scalar(0);
      potential[i] = reset(before, block.threshold, fires);
      fired += fires ? 1 : 0;
    }
    block.counts[t] = fired;
  }
}

template <typename scalar>
struct BackwardBlock {
  scalar* membrane;  // in: membranes before firing; out: gradient by the currents
  std::int64_t stride;
  const scalar* spike_gradient;
  std::int64_t gradient_stride;
  std::int64_t neurons;
  std::int64_t timesteps;
  scalar threshold;
  scalar leak;
  SurrogateScale scale;
  scalar a;
};

template <SurrogateShape shape, typename scalar>
[[gnu::always_inline]] inline void backward_block(const BackwardBlock<scalar>& block) {
  std::array<scalar, kBlock> later{};  // the gradient by the current of the next time step
  const bool relative = block.scale == SurrogateScale::kThreshold;
  for (std::int64_t t = block.timesteps - 1; t >= 0; --t) {
    scalar* membrane = block.membrane + t * block.stride;
    const scalar* gradient = block.spike_gradient + t * block.gradient_stride;
    for (std::int64_t i = 0; i < block.neurons; ++i) {
      later[i] = current_gradient<shape>(gradient[i], membrane[i], block.threshold, block.leak, block.a,
                                         relative, later[i]);
      membrane[i] = later[i];
    }
  }
}

/// The same with the gradients by threshold and leak.
template <SurrogateShape shape, typename scalar>
[[gnu::always_inline]] inline ScalarGradients<double> train_block(const BackwardBlock<scalar>& block) {
  std::array<scalar, kBlock> later{};
  std::array<scalar, kBlock> threshold_sums{};
  std::array<scalar, kBlock> leak_sums{};
  const bool relative = block.scale == SurrogateScale::kThreshold;
  for (std::int64_t t = block.timesteps - 1; t >= 0; --t) {
    scalar* membrane = block.membrane + t * block.stride;
    const scalar* earlier = t == 0 ? nullptr : membrane - block.stride;
    const scalar* gradient = block.spike_gradient + t * block.gradient_stride;
    for (std::int64_t i = 0; i < block.neurons; ++i) {
      scalar before = 0;
      if (earlier != nullptr) {
        const bool fired = earlier[i] / block.threshold - scalar(1) > scalar(0);
        before = reset(earlier[i], block.threshold, fired);
      }
      ScalarGradients<scalar> sums{threshold_sums[i], leak_sums[i]};
      later[i] = training_gradient<shape>(gradient[i], membrane[i], before, block.threshold, block.leak,
                                          block.a, relative, later[i], sums);
      threshold_sums[i] = sums.threshold;
      leak_sums[i] = sums.leak;
      membrane[i] = later[i];
    }
  }
  ScalarGradients<double> total{0, 0};
  for (std::int64_t i = 0; i < block.neurons; ++i) {
    total.threshold += threshold_sums[i];
    total.leak += leak_sums[i];
  }
  return total;
}

HIRE_SNN_CLONES void fire_float32(const FireBlock<float>& block) { fire_block(block); }
HIRE_SNN_CLONES void fire_float64(const FireBlock<double>& block) { fire_block(block); }

// One function for each shape: the choice stands outside the loops.
template <SurrogateShape shape>
HIRE_SNN_CLONES void backward_float32(const BackwardBlock<float>& block) {
  backward_block<shape>(block);
}
template <SurrogateShape shape>
HIRE_SNN_CLONES void backward_float64(const BackwardBlock<double>& block) {
  backward_block<shape>(block);
}

template <SurrogateShape shape>
HIRE_SNN_CLONES ScalarGradients<double> train_float32(const BackwardBlock<float>& block) {
  return train_block<shape>(block);
}
template <SurrogateShape shape>
HIRE_SNN_CLONES ScalarGradients<double> train_float64(const BackwardBlock<double>& block) {
  return train_block<shape>(block);
}

void run(const FireBlock<float>& block) { fire_float32(block); }
void run(const FireBlock<double>& block) { fire_float64(block); }
void run(const BackwardBlock<float>& block, SurrogateShape shape) {
  with_surrogate_shape(shape, [&](auto constant) { backward_float32<constant()>(block); });
}
void run(const BackwardBlock<double>& block, SurrogateShape shape) {
  with_surrogate_shape(shape, [&](auto constant) { backward_float64<constant()>(block); });
}

ScalarGradients<double> run_training(const BackwardBlock<float>& block, SurrogateShape shape) {
  return with_surrogate_shape(shape, [&](auto constant) { return train_float32<constant()>(block); });
}
ScalarGradients<double> run_training(const BackwardBlock<double>& block, SurrogateShape shape) {
  return with_surrogate_shape(shape, [&](auto constant) { return train_float64<constant()>(block); });
}

template <typename scalar>
class Neurons final : public PlainNeuronLayer {
 public:
  Neurons(NeuronParameters parameters, const Surrogate& surrogate)
      : threshold_(static_cast<scalar>(parameters.threshold)),
        leak_(static_cast<scalar>(parameters.leak)),
        surrogate_(surrogate) {}

  Firing fire(at::Tensor currents, std::int64_t timesteps) const override {
    const bool constant = currents.size(0) == 1;
    TORCH_CHECK(currents.is_contiguous() && (constant || currents.size(0) == timesteps),
                "Expected contiguous currents of ", timesteps, " time steps or one, but found ",
                currents.sizes());
    auto shape = currents.sizes().vec();
    shape[0] = timesteps;
    Firing firing;
    firing.membrane = constant && timesteps != 1 ? at::empty(shape, currents.options()) : currents;
    firing.spikes = at::empty(shape, currents.options());

    const Blocks blocks(shape);
    std::vector<std::int32_t> counts(static_cast<std::size_t>(blocks.total() * timesteps));
    const scalar* current = currents.const_data_ptr<scalar>();
    scalar* membrane = firing.membrane.mutable_data_ptr<scalar>();
    scalar* spike = firing.spikes.mutable_data_ptr<scalar>();
    at::parallel_for(0, blocks.total(), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b) {
        const std::int64_t at = blocks.offset(b);
        run(FireBlock<scalar>{current + at, constant ? 0 : blocks.stride(), membrane + at, spike + at,
                              blocks.stride(), blocks.neurons(b), timesteps, threshold_, leak_,
                              counts.data() + b * timesteps});
      }
    });

    firing.counts = at::zeros({timesteps, blocks.samples()}, at::kInt);
    std::int32_t* total = firing.counts.template mutable_data_ptr<std::int32_t>();
    for (std::int64_t b = 0; b < blocks.total(); ++b) {
      for (std::int64_t t = 0; t < timesteps; ++t) {
        total[t * blocks.samples() + blocks.sample(b)] += counts[static_cast<std::size_t>(b * timesteps + t)];
      }
    }
    return firing;
  }

  at::Tensor backward(at::Tensor membrane, const at::Tensor& spike_gradient) const override {
    for_each_block(membrane, spike_gradient,
                   [&](const BackwardBlock<scalar>& block, std::int64_t) { run(block, surrogate_.shape); });
    return membrane;
  }

  at::Tensor train_backward(at::Tensor membrane, const at::Tensor& spike_gradient,
                            ScalarGradients<double>& scalars) const override {
    std::vector<ScalarGradients<double>> sums(
        static_cast<std::size_t>(Blocks(membrane.sizes().vec()).total()));
    for_each_block(membrane, spike_gradient, [&](const BackwardBlock<scalar>& block, std::int64_t index) {
      sums[static_cast<std::size_t>(index)] = run_training(block, surrogate_.shape);
    });
    scalars = {0, 0};
    for (const auto& sum : sums) {
      scalars.threshold += sum.threshold;
      scalars.leak += sum.leak;
    }
    return membrane;
  }

 private:
  /// Cuts [T, N, ...] into blocks that never span two samples, so that a block's spikes belong to one of
  /// them.
  class Blocks {
   public:
    explicit Blocks(const std::vector<std::int64_t>& shape) : samples_(shape[1]), neurons_(1) {
      for (std::size_t d = 2; d < shape.size(); ++d) neurons_ *= shape[d];
      per_sample_ = (neurons_ + kBlock - 1) / kBlock;
    }
    std::int64_t total() const { return samples_ * per_sample_; }
    std::int64_t samples() const { return samples_; }
    std::int64_t stride() const { return samples_ * neurons_; }
    std::int64_t sample(std::int64_t block) const { return block / per_sample_; }
    std::int64_t offset(std::int64_t block) const {
      return sample(block) * neurons_ + block % per_sample_ * kBlock;
    }
    std::int64_t neurons(std::int64_t block) const {
      return std::min(kBlock, neurons_ - block % per_sample_ * kBlock);
    }

   private:
    std::int64_t samples_;
    std::int64_t neurons_;
    std::int64_t per_sample_;
  };

  /// Calls `work(block, index)` for every block of a backward pass, from several threads.
  template <typename Work>
  void for_each_block(const at::Tensor& membrane, const at::Tensor& spike_gradient, const Work& work) const {
    const std::int64_t timesteps = membrane.size(0);
    const bool constant = spike_gradient.size(0) == 1;
    TORCH_CHECK(membrane.is_contiguous() && spike_gradient.is_contiguous() &&
                    (constant || spike_gradient.size(0) == timesteps),
                "Expected a contiguous gradient of ", timesteps, " time steps or one, but found ",
                spike_gradient.sizes());
    const Blocks blocks(membrane.sizes().vec());
    scalar* values = membrane.mutable_data_ptr<scalar>();
    const scalar* gradient = spike_gradient.const_data_ptr<scalar>();
    at::parallel_for(0, blocks.total(), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b) {
        const std::int64_t at = blocks.offset(b);
        work(BackwardBlock<scalar>{values + at, blocks.stride(), gradient + at,
                                   constant ? 0 : blocks.stride(), blocks.neurons(b), timesteps, threshold_,
                                   leak_, surrogate_.scale, static_cast<scalar>(surrogate_.a)},
             b);
      }
    });
  }

  scalar threshold_;
  scalar leak_;
  Surrogate surrogate_;
};

}  // namespace

std::unique_ptr<PlainNeuronLayer> make_plain_neuron_layer(NeuronParameters parameters,
                                                          const Surrogate& surrogate, at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return std::make_unique<Neurons<float>>(parameters, surrogate);
    case at::kDouble:
      return std::make_unique<Neurons<double>>(parameters, surrogate);
    default:
      throw CodedError("INVALID_ARGUMENT",
                       "Expected float32 or float64 for the network's dtype but received " +
                           std::string(c10::toString(dtype)));
  }
}

}  // namespace hire_snn
