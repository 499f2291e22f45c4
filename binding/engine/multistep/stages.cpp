#include "stages.h"

#include <ATen/Parallel.h>

namespace hire_snn {
namespace {

at::Tensor floats(const at::Tensor& weight) { return weight.to(at::kFloat).contiguous(); }

Synapse synapse_of(SynapsePlan plan, bool packed) {
  std::optional<PackedWeights> weights;
  if (plan.weight.defined() && packed) {
    weights = packed_weights(plan.weight, plan.input, plan.connections, at::get_num_threads());
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

PackedWeights packed_weights(const at::Tensor& weight, const Shape& input, const Connections& connections,
                             int threads) {
  return {floats(weight), input[0], blocks(input[0]) * kBlock, connections.taps, threads};
}

Stages::Stages(const NetworkPlan& plan, Packing packing) : Stages(plan, packing, stages_of(plan)) {}

Stages::Stages(const NetworkPlan& plan, Packing packing, std::vector<StagePlan> graph)
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
      const bool packed = packing == Packing::kAll || !stage.synapses.empty();
      stage.synapses.push_back(synapse_of(std::move(synapse), packed));
    }
    stages.push_back(std::move(stage));
  }
}

std::int64_t Stages::bytes() const {
  std::int64_t sum = image.weights.values.bytes();
  for (const Stage& stage : stages) {
    for (const Synapse& synapse : stage.synapses) {
      if (synapse.weights) sum += synapse.weights->values.bytes();
      if (synapse.levels) sum += synapse.levels->weights.bytes();
      if (synapse.backward) sum += synapse.backward->bytes();
      if (synapse.turned) sum += synapse.turned->bytes();
    }
  }
  return sum;
}

bool winograd_can(const LayerPlan& layer) {
  return layer.kind == LayerKind::kConv && layer.kernel == 3 && layer.stride == 1;
}

std::optional<LevelWeights> level_weights(const LayerPlan& layer, const Connections& connections,
                                          std::int64_t inputs, int threads) {
  const bool linear = layer.kind != LayerKind::kConv;
  if (!linear && layer.stride != 1) return std::nullopt;
  const at::Tensor weight = floats(layer.weight);
  const float* values = weight.const_data_ptr<float>();
  const std::int64_t padded = blocks(inputs) * kBlock;
  const std::int64_t taps = connections.taps;
  const std::int64_t outputs = weight.size(0);
  std::optional<DigitWeights> digits = DigitWeights::of(
      blocks(outputs), taps * padded, threads,
      [&](std::int64_t block, std::int64_t factor, std::int64_t lane) {
        const std::int64_t output = block * kBlock + lane;
        const std::int64_t input = factor % padded;
        if (output >= outputs || input >= inputs) return 0.0;
        return static_cast<double>(values[(output * inputs + input) * taps + factor / padded]);
      });
  if (!digits) return std::nullopt;
  return LevelWeights{linear, layer.kernel, *std::move(digits)};
}

std::optional<DigitWeights> turned_weights(const LayerPlan& layer, const Connections& connections,
                                           std::int64_t inputs, int threads) {
  if (layer.kind == LayerKind::kConv) return std::nullopt;
  const at::Tensor weight = floats(layer.weight);
  const float* values = weight.const_data_ptr<float>();
  const std::int64_t taps = connections.taps;
  const std::int64_t outputs = weight.size(0);
  return DigitWeights::of(
      taps * blocks(inputs), blocks(outputs) * kBlock, threads,
      [&](std::int64_t block, std::int64_t factor, std::int64_t lane) {
        const std::int64_t input = block % blocks(inputs) * kBlock + lane;
        if (factor >= outputs || input >= inputs) return 0.0;
        return static_cast<double>(values[(factor * inputs + input) * taps + block / blocks(inputs)]);
      });
}

std::int64_t membrane_bytes(const NetworkPlan& plan) {
  std::int64_t values = 0;
  for (const LayerPlan& layer : plan.layers) {
    if (layer.spikes()) values += blocks(layer.output[0]) * kBlock * layer.output[1] * layer.output[2];
  }
  return values * plan.timesteps * static_cast<std::int64_t>(sizeof(float));
}

}  // namespace hire_snn
