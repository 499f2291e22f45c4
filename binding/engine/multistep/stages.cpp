#include "stages.h"

#include <ATen/Parallel.h>

#include <cmath>
#include <limits>

namespace hire_snn {
namespace {

/// The smallest float h for which the original's h / threshold - 1 > 0 holds, so that a comparison stands for
/// the division: both steps round monotonically.
float least_firing_membrane(float threshold) {
  const auto fires = [threshold](float membrane) { return membrane / threshold - 1.0F > 0.0F; };
  float least = threshold;
  while (!fires(least)) least = std::nextafter(least, std::numeric_limits<float>::infinity());
  for (;;) {
    const float below = std::nextafter(least, 0.0F);
    if (!fires(below)) return least;
    least = below;
  }
}

at::Tensor floats(const at::Tensor& weight) { return weight.to(at::kFloat).contiguous(); }

Connections connections_of(const LayerPlan& layer) {
  return layer.kind == LayerKind::kConv
             ? Connections::convolution(layer.input, layer.output, layer.kernel, layer.stride)
             : Connections::linear(layer.input[1] * layer.input[2]);
}

PackedWeights pack(const at::Tensor& weight, std::int64_t inputs, const Connections& connections) {
  return {floats(weight), inputs, blocks(inputs) * kBlock, connections.taps, at::get_num_threads()};
}

ImageSynapse image_synapse(const LayerPlan& layer) {
  Connections connections = connections_of(layer);
  const std::int64_t channels = layer.input[0];
  PackedWeights weights(floats(layer.weight), channels, channels, connections.taps, at::get_num_threads());
  return {layer.input, std::move(connections), std::move(weights)};
}

}  // namespace

Stages::Stages(const NetworkPlan& plan) : image(image_synapse(plan.layers.front())) {
  std::vector<std::size_t> stage_of(plan.layers.size());  // by layer; a pool's is that in front of it
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    const LayerPlan& layer = plan.layers[i];
    if (layer.kind == LayerKind::kAveragePool) {
      stages.back().pool = i;
      stage_of[i] = stages.size() - 1;
      continue;
    }
    Stage stage{.layer = i, .pool = std::nullopt, .output = layer.output, .synapses = {}};
    if (layer.spikes()) {
      stage.threshold = static_cast<float>(layer.neuron.threshold);
      stage.leak = static_cast<float>(layer.neuron.leak);
      stage.least_firing = least_firing_membrane(stage.threshold);
    }
    if (i > 0) {
      const bool pooled = plan.layers[i - 1].kind == LayerKind::kAveragePool;
      // A linear layer takes the map that the layer before gives as one vector.
      LayerPlan whole = layer;
      whole.input = plan.layers[i - 1].output;
      Connections connections = connections_of(whole);
      PackedWeights weights = pack(layer.weight, whole.input[0], connections);
      stage.synapses.push_back({stage_of[i - 1], pooled, whole.input, std::move(connections),
                                /*copies=*/false, std::move(weights), std::nullopt, std::nullopt});
    }
    if (layer.shortcut) {
      const Shortcut& shortcut = *layer.shortcut;
      const LayerPlan& from = plan.layers[shortcut.from];
      Connections connections = Connections::convolution(from.output, layer.output, 1, shortcut.stride);
      const bool copies = !shortcut.weight.defined();
      std::optional<PackedWeights> weights;
      if (!copies) weights = pack(shortcut.weight, from.output[0], connections);
      stage.synapses.push_back({stage_of[shortcut.from], from.kind == LayerKind::kAveragePool, from.output,
                                std::move(connections), copies, std::move(weights), std::nullopt,
                                std::nullopt});
    }
    stage_of[i] = stages.size();
    stages.push_back(std::move(stage));
  }
}

std::int64_t Stages::bytes() const {
  std::int64_t sum = image.weights.values.bytes();
  for (const Stage& stage : stages) {
    for (const Synapse& synapse : stage.synapses) {
      if (synapse.weights) sum += synapse.weights->values.bytes();
      if (synapse.forward) sum += synapse.forward->values.bytes();
      if (synapse.backward) sum += synapse.backward->values.bytes();
    }
  }
  return sum;
}

}  // namespace hire_snn
