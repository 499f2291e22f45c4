#include "stage_graph.h"

#include <cmath>
#include <limits>

namespace hire_snn {
float least_firing_membrane(float threshold) {
  // Both steps round monotonically.
  const auto fires = [threshold](float membrane) { return membrane / threshold - 1.0F > 0.0F; };
  float least = threshold;
  while (!fires(least)) least = std::nextafter(least, std::numeric_limits<float>::infinity());
  for (;;) {
    const float below = std::nextafter(least, 0.0F);
    if (!fires(below)) return least;
    least = below;
  }
}

std::vector<StagePlan> stages_of(const NetworkPlan& plan) {
  std::vector<StagePlan> stages;
  std::vector<std::size_t> stage_of(plan.layers.size());  // by layer; a pool's is that in front of it
  std::size_t counted = 0;
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    const LayerPlan& layer = plan.layers[i];
    if (layer.kind == LayerKind::kAveragePool) {
      stages.back().pool = i;
      stage_of[i] = stages.size() - 1;
      continue;
    }
    // A linear layer takes the map that the layer before gives as one vector.
    const Shape input = i == 0 ? layer.input : plan.layers[i - 1].output;
    Connections connections =
        layer.kind == LayerKind::kConv
            ? Connections::convolution(layer.input, layer.output, layer.kernel, layer.stride)
            : Connections::linear(input[1] * input[2]);
    StagePlan stage{.layer = i,
                    .pool = std::nullopt,
                    .input = input,
                    .output = layer.output,
                    .connections = std::move(connections),
                    .synapses = {}};
    if (layer.spikes()) {
      stage.threshold = static_cast<float>(layer.neuron.threshold);
      stage.leak = static_cast<float>(layer.neuron.leak);
      stage.least_firing = least_firing_membrane(stage.threshold);
    }
    if (i > 0) {
      const bool pooled = plan.layers[i - 1].kind == LayerKind::kAveragePool;
      stage.synapses.push_back({stage_of[i - 1], pooled, input, stage.connections, layer.weight, counted++});
    }
    if (layer.shortcut) {
      const Shortcut& shortcut = *layer.shortcut;
      const LayerPlan& from = plan.layers[shortcut.from];
      const bool weighted = shortcut.weight.defined();
      stage.synapses.push_back({stage_of[shortcut.from], from.kind == LayerKind::kAveragePool, from.output,
                                Connections::convolution(from.output, layer.output, 1, shortcut.stride),
                                shortcut.weight, weighted ? std::optional(counted++) : std::nullopt});
    }
    stage_of[i] = stages.size();
    stages.push_back(std::move(stage));
  }
  return stages;
}

std::optional<std::string> pool_without_neurons(const NetworkPlan& plan) {
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    if (plan.layers[i].kind == LayerKind::kAveragePool && !plan.layers[i - 1].spikes()) {
      return plan.layers[i].name;
    }
  }
  return std::nullopt;
}

}  // namespace hire_snn
