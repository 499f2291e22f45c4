#include "stages.h"

#include <ATen/Parallel.h>

namespace hire_snn {
namespace {

at::Tensor floats(const at::Tensor& weight) { return weight.to(at::kFloat).contiguous(); }

Synapse synapse_of(SynapsePlan plan) {
  std::optional<PackedWeights> weights;
  if (plan.weight.defined()) {
    const std::int64_t inputs = plan.input[0];
    weights.emplace(floats(plan.weight), inputs, blocks(inputs) * kBlock, plan.connections.taps,
                    at::get_num_threads());
  }
  std::vector<std::int32_t> reach = plan.connections.reach();
  return {plan.source,
          plan.pooled,
          plan.input,
          std::move(plan.connections),
          plan.counted,
          std::move(reach),
          !plan.weight.defined(),
          std::move(weights),
          std::nullopt,
          std::nullopt};
}

ImageSynapse image_synapse(const LayerPlan& layer, StagePlan&& first) {
  const std::int64_t channels = first.input[0];
  PackedWeights weights(floats(layer.weight), channels, channels, first.connections.taps,
                        at::get_num_threads());
  return {first.input, std::move(first.connections), std::move(weights)};
}

}  // namespace

Stages::Stages(const NetworkPlan& plan) : Stages(plan, stages_of(plan)) {}

Stages::Stages(const NetworkPlan& plan, std::vector<StagePlan> graph)
    : image(image_synapse(plan.layers.front(), std::move(graph.front()))) {
  for (StagePlan& from : graph) {
    Stage stage{.layer = from.layer,
                .pool = from.pool,
                .output = from.output,
                .synapses = {},
                .threshold = from.threshold,
                .leak = from.leak,
                .least_firing = from.least_firing};
    for (SynapsePlan& synapse : from.synapses) {
      if (synapse.counted) ++counted_synapses;
      stage.synapses.push_back(synapse_of(std::move(synapse)));
    }
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

bool winograd_can(const LayerPlan& layer) {
  return layer.kind == LayerKind::kConv && layer.kernel == 3 && layer.stride == 1;
}

std::int64_t membrane_bytes(const NetworkPlan& plan) {
  std::int64_t values = 0;
  for (const LayerPlan& layer : plan.layers) {
    if (layer.spikes()) values += blocks(layer.output[0]) * kBlock * layer.output[1] * layer.output[2];
  }
  return values * plan.timesteps * static_cast<std::int64_t>(sizeof(float));
}

}  // namespace hire_snn
