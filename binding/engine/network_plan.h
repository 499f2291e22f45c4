#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rate_coding.h"
#include "surrogate.h"

namespace hire_snn {

/// The kinds of layer that a network is made of; see src/networks/network.ts, which describes them to users.
enum class LayerKind { kConv, kAveragePool, kLinear, kOutput };

/// By its name there. Throws CodedError NETWORK_INVALID if there is none of that name.
LayerKind layer_kind(const std::string& name);

/// [C, H, W] of one image at one time step; a linear layer's output is [features, 1, 1].
using Shape = std::array<std::int64_t, 3>;

inline std::int64_t elements(const Shape& shape) { return shape[0] * shape[1] * shape[2]; }
std::string to_string(const Shape& shape);

/// What one layer of neurons shares (one scalar each, as in the checkpoints).
struct NeuronParameters {
  double threshold;
  double leak;
};

/// What stands behind the weighted sums of every layer but the output: integrate-and-fire neurons, or the
/// rectified linear units of the network's ANN twin, which has one time step, no thresholds and no leaks.
enum class NeuronKind { kSpiking, kRelu };

/// A second input of a convolution's neurons: the output of an earlier layer, added to the weighted sums.
struct Shortcut {
  std::size_t from;         ///< index of the layer
  at::Tensor weight;        ///< [out, in, 1, 1] of a convolution; undefined for the output as it is
  std::int64_t stride = 1;  ///< of that convolution
};

/// One layer with its weights. Its input is the output of the layer before it (the image, for the first).
struct LayerPlan {
  LayerKind kind;
  std::string name;
  Shape input;
  Shape output;
  std::int64_t kernel = 0;        ///< of a convolution: odd, padding (kernel - 1) / 2
  std::int64_t stride = 1;        ///< of a convolution
  at::Tensor weight = {};         ///< conv [out, in, k, k], linear and output [out, in]; undefined for a pool
  NeuronParameters neuron{0, 0};  ///< of conv and linear layers
  std::optional<Shortcut> shortcut = std::nullopt;  ///< of a conv layer

  bool spikes() const { return kind == LayerKind::kConv || kind == LayerKind::kLinear; }
  bool counted() const { return kind != LayerKind::kOutput; }
};

/// Weights whose input is spikes or means of them: a layer's own or its shortcut's. Synaptic operations are
/// counted for each.
struct CountedSynapse {
  std::size_t from;  ///< index of the layer whose output is the input
  std::size_t to;    ///< index of the layer whose neurons it leads to
  bool shortcut;
};

/// Everything that a spiking network is built from.
struct NetworkPlan {
  std::vector<LayerPlan> layers;
  std::vector<double> mean;  ///< one per channel
  std::vector<double> std;
  std::int64_t timesteps;
  Surrogate surrogate;
  at::ScalarType dtype;
  NeuronKind neurons = NeuronKind::kSpiking;
  std::optional<RateCoding> rate_coding = std::nullopt;  ///< nothing: direct coding

  const Shape& input() const { return layers.front().input; }
  std::int64_t classes() const { return layers.back().output[0]; }
  /// Layers but the output.
  std::int64_t counted_layers() const { return static_cast<std::int64_t>(layers.size()) - 1; }

  /// In the order of the layers, a layer's shortcut behind its own; without the first layer, whose input is
  /// the image, and without shortcuts that add their input as it is.
  std::vector<CountedSynapse> counted_synapses() const;

  /// Throws CodedError NETWORK_INVALID if the plan contradicts itself.
  void check() const;
};

}  // namespace hire_snn
