// The part of BackwardPass that leaves the gradients of a network's parameters.

#include <algorithm>

#include "pass.h"
#include "thread_team.h"

namespace hire_snn {
namespace {

/// Units of work for each chunk and block: threads share a layer by its taps, too, where it has few blocks.
constexpr std::int64_t kTapGroups = 3;

}  // namespace

/// Sums run over the active inputs alone, in one order: of a chunk of inputs and a block of outputs by one
/// thread.
void BackwardPass::weight_gradient(std::size_t index, std::size_t which) {
  const Stage& stage = engine_.stages.stages[index];
  const Synapse& synapse = stage.synapses[which];
  const PackedWeights& weights = *synapse.weights;
  StageState& source = workspace_.stages[synapse.source];
  const StageState& state = workspace_.stages[index];
  auto& counts = synapse.pooled ? source.active_means : workspace_.list_counts;
  // The reach of the inputs has been counted in the forward pass: this goes where nobody looks.
  const ReachTask reach{
      synapse.reach.data(),
      workspace_.reached.data() + engine_.stages.counted_synapses * static_cast<std::size_t>(images_) * 2};
  workspace_.lists.build(source.spikes, synapse.pooled, counts.data(), reach, engine_.threads);
  const std::int64_t taps = synapse.connections.taps;
  const std::int64_t group = (taps + kTapGroups - 1) / kTapGroups;
  const std::int64_t groups = (taps + group - 1) / group;
  const std::int64_t number = chunks(weights.inputs);
  const std::int64_t timesteps = engine_.plan.timesteps;
  float* const result = gradients_->weights[index][which];
  ThreadTeam::shared().run(
      stage.output_blocks() * number * groups, engine_.threads, [&](std::int64_t unit, int) {
        const std::int64_t block = unit / (number * groups);
        WeightGradientTask task;
        task.weights = result + block * weights.per_block();
        task.gradients = state.values.data() + block * images_ * stage.pixels() * timesteps * kBlock;
        task.scale = engine_.stages.stages[synapse.source].output_scale;
        task.chunk = unit / groups % number;
        task.first_tap = unit % groups * group;
        task.last_tap = std::min(taps, task.first_tap + group);
        task.inputs.first = 0;
        task.inputs.last = images_ * stage.pixels();
        task.inputs.output_pixels = stage.pixels();
        workspace_.lists.describe(task.inputs);
        task.inputs.input_channels = weights.inputs;
        task.inputs.taps = taps;
        task.inputs.inputs = synapse.connections.inputs.data();
        if (!gradients_->accumulate) {
          const std::int64_t rows = std::min(kChunk, weights.inputs - task.chunk * kChunk);
          for (std::int64_t tap = task.first_tap; tap < task.last_tap; ++tap) {
            std::fill_n(task.weights + (tap * weights.inputs + task.chunk * kChunk) * kBlock, rows * kBlock,
                        0.0F);
          }
        }
        if (workspace_.lists.pooled()) {
          engine_.kernels.mean_weight_gradient(task);
        } else {
          engine_.kernels.spike_weight_gradient(task);
        }
      });
}

void BackwardPass::image_weight_gradient() {
  const ImageSynapse& image = engine_.stages.image;
  const Stage& stage = engine_.stages.stages.front();
  const std::int64_t taps = image.connections.taps;
  const std::int64_t channels = image.input[0];
  ThreadTeam::shared().run(stage.output_blocks() * taps, engine_.threads, [&](std::int64_t unit, int) {
    const std::int64_t block = unit / taps;
    const std::int64_t tap = unit % taps;
    ImageWeightGradientTask task;
    task.weights =
        gradients_->weights.front().front() + block * image.weights.per_block() + tap * channels * kBlock;
    task.gradients = workspace_.stages.front().values.data() + block * images_ * stage.pixels() * kBlock;
    task.count = images_;
    task.output_pixels = stage.pixels();
    task.input_pixels = image.connections.input_pixels;
    task.input_channels = channels;
    task.inputs = image.connections.inputs.data() + tap * stage.pixels();
    task.images = workspace_.image.data();
    if (!gradients_->accumulate) std::fill_n(task.weights, channels * kBlock, 0.0F);
    engine_.kernels.image_weight_gradient(task);
  });
}

/// Adds up what the neurons of a stage found, in the order of their places.
void BackwardPass::sum_scalars(std::size_t index) {
  const Stage& stage = engine_.stages.stages[index];
  const double* sums = workspace_.stages[index].scalar_sums.data();
  ScalarGradients<double> total{0, 0};
  for (std::int64_t i = 0; i < stage.output_blocks() * images_ * stage.pixels(); ++i) {
    total.threshold += sums[2 * i];
    total.leak += sums[2 * i + 1];
  }
  ScalarGradients<double>& result = gradients_->scalars[index];
  if (!gradients_->accumulate) result = {0, 0};
  result.threshold += total.threshold;
  result.leak += total.leak;
}

}  // namespace hire_snn
