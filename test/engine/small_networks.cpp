#include "small_networks.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>

#include <cmath>

namespace hire_snn::parity {
namespace {

/// Adds layers one behind the other.
class Builder {
 public:
  Builder(Shape input, std::int64_t timesteps, double leak, Surrogate surrogate, std::uint64_t seed)
      : generator_(at::detail::createCPUGenerator(seed)), shape_(input), leak_(leak) {
    plan_.timesteps = timesteps;
    plan_.surrogate = surrogate;
    plan_.dtype = at::kFloat;
    for (std::int64_t c = 0; c < input[0]; ++c) {
      plan_.mean.push_back(0.4 + 0.05 * static_cast<double>(c));
      plan_.std.push_back(0.25 - 0.02 * static_cast<double>(c));
    }
  }

  Builder& conv(std::int64_t channels, std::int64_t kernel = 3, std::int64_t stride = 1) {
    const Shape output{channels, (shape_[1] - 1) / stride + 1, (shape_[2] - 1) / stride + 1};
    LayerPlan layer{.kind = LayerKind::kConv, .name = name(), .input = shape_, .output = output};
    layer.kernel = kernel;
    layer.stride = stride;
    layer.weight = weights({channels, shape_[0], kernel, kernel});
    layer.neuron = neuron();
    return add(std::move(layer));
  }

  /// A shortcut into the layer that was added last.
  Builder& shortcut(std::size_t from, bool weighted, std::int64_t stride = 1) {
    LayerPlan& layer = plan_.layers.back();
    layer.shortcut = Shortcut{.from = from, .weight = {}, .stride = stride};
    if (weighted) layer.shortcut->weight = weights({layer.output[0], plan_.layers[from].output[0], 1, 1});
    return *this;
  }

  Builder& pool() {
    return add({.kind = LayerKind::kAveragePool,
                .name = name(),
                .input = shape_,
                .output = {shape_[0], shape_[1] / 2, shape_[2] / 2}});
  }

  Builder& linear(std::int64_t features, LayerKind kind = LayerKind::kLinear) {
    LayerPlan layer{.kind = kind, .name = name(), .input = shape_, .output = {features, 1, 1}};
    layer.weight = weights({features, elements(shape_)});
    if (kind == LayerKind::kLinear) layer.neuron = neuron();
    return add(std::move(layer));
  }

  Case output(std::string case_name, std::int64_t classes, std::int64_t images) {
    linear(classes, LayerKind::kOutput);
    const Shape input = plan_.layers.front().input;
    return {std::move(case_name), plan_, at::rand({images, input[0], input[1], input[2]}, generator_),
            at::randint(classes, {images}, generator_, at::kLong)};
  }

 private:
  std::string name() const { return "layer" + std::to_string(plan_.layers.size()); }
  NeuronParameters neuron() const { return {0.4 + 0.1 * static_cast<double>(plan_.layers.size()), leak_}; }

  at::Tensor weights(at::IntArrayRef shape) {
    const double fan_in = static_cast<double>(c10::multiply_integers(shape.slice(1)));
    return at::randn(shape, generator_).mul(1.5 / std::sqrt(fan_in));
  }

  Builder& add(LayerPlan layer) {
    shape_ = layer.output;
    plan_.layers.push_back(std::move(layer));
    return *this;
  }

  at::Generator generator_;
  Shape shape_;
  double leak_;
  NetworkPlan plan_;
};

}  // namespace

std::vector<Case> small_cases() {
  const Surrogate hire;
  std::vector<Case> cases;
  cases.push_back(Builder({3, 8, 8}, 4, 0.9, hire, 1)
                      .conv(20)
                      .pool()
                      .conv(70)
                      .conv(66)
                      .pool()
                      .linear(130)
                      .linear(33)
                      .output("VGG with odd channels", 10, 5));
  cases.push_back(
      Builder({1, 7, 5}, 1, 1.0, hire, 2).conv(5, 5).pool().conv(3, 1).output("odd maps, one time step", 3, 9));
  cases.push_back(Builder({3, 9, 9}, 5, 0.8, hire, 3)
                      .conv(18)
                      .pool()
                      .conv(18)
                      .conv(18)
                      .shortcut(1, /*weighted=*/false)
                      .conv(40, 3, 2)
                      .conv(40)
                      .shortcut(3, /*weighted=*/true, 2)
                      .output("residual", 4, 6));
  cases.push_back(
      Builder({2, 4, 4}, 3, 0.95, hire, 4).linear(30).linear(20).output("linear layers alone", 70, 7));
  for (int shape = 0; shape < kSurrogateShapes; ++shape) {
    for (const SurrogateScale scale : {SurrogateScale::kThreshold, SurrogateScale::kAbsolute}) {
      const Surrogate surrogate{static_cast<SurrogateShape>(shape), 0.8, scale};
      cases.push_back(Builder({1, 4, 4}, 3, 0.9, surrogate, 5)
                          .conv(6)
                          .pool()
                          .linear(12)
                          .output("surrogate " + std::to_string(shape) +
                                      (scale == SurrogateScale::kThreshold ? " by threshold" : " absolute"),
                                  3, 4));
    }
  }
  return cases;
}

}  // namespace hire_snn::parity
