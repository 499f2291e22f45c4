#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "neuron.h"

namespace hire_snn {

/// The kinds of layer that a network is made of; see src/networks/network.ts, which describes them to users.
enum class LayerKind { kConv, kAveragePool, kLinear, kOutput };

/// [C, H, W] of one image at one time step; a linear layer's output is [features, 1, 1].
using Shape = std::array<std::int64_t, 3>;

inline std::int64_t elements(const Shape& shape) { return shape[0] * shape[1] * shape[2]; }

/// One layer with its weights.
struct LayerPlan {
  LayerKind kind;
  std::string name;
  Shape input;
  Shape output;
  std::int64_t kernel = 0;        ///< of a convolution: odd, stride 1, padding (kernel - 1) / 2
  at::Tensor weight;              ///< conv [out, in, k, k], linear and output [out, in]; undefined for a pool
  NeuronParameters neuron{0, 0};  ///< of conv and linear layers

  bool spikes() const { return kind == LayerKind::kConv || kind == LayerKind::kLinear; }
  bool counted() const { return kind != LayerKind::kOutput; }
};

/// Everything that a spiking network is built from.
struct NetworkPlan {
  std::vector<LayerPlan> layers;
  std::vector<double> mean;  ///< one per channel
  std::vector<double> std;
  std::int64_t timesteps;
  PiecewiseLinearSurrogate surrogate;
  at::ScalarType dtype;

  const Shape& input() const { return layers.front().input; }
  std::int64_t classes() const { return layers.back().output[0]; }
};

}  // namespace hire_snn
