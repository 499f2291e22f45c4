// The part of BackwardPass that leaves the gradients of a network's parameters.

#include <algorithm>

#include "pass.h"
#include "thread_team.h"

namespace hire_snn {
namespace {

/// Units of work for each chunk and block: threads share a layer by its taps, too, where it has few blocks.
constexpr std::int64_t kTapGroups = 3;

}  // namespace

/// What the gradients of a synapse's weights have in common, for what is then said of a block and a chunk.
WeightGradientTask BackwardPass::weight_gradient_task(std::size_t index, std::size_t which) const {
  const Stage& stage = engine_.stages.stages[index];
  const Synapse& synapse = stage.synapses[which];
  WeightGradientTask task{};
  task.scale = engine_.stages.stages[synapse.source].output_scale;
  task.inputs.first = 0;
  task.inputs.last = images_ * stage.pixels();
  task.inputs.output_pixels = stage.pixels();
  workspace_.lists_of(index, which).describe(task.inputs);
  task.inputs.inputs = synapse.connections.inputs.data();
  return task;
}

/// Sums run over the active inputs alone, in one order: of a chunk of inputs and a block of outputs by one
/// thread.
void BackwardPass::weight_gradient(std::size_t index, std::size_t which) {
  const Stage& stage = engine_.stages.stages[index];
  const Synapse& synapse = stage.synapses[which];
  const PackedWeights& weights = *synapse.weights;
  const WeightGradientTask inputs = weight_gradient_task(index, which);
  const auto kernel =
      synapse.pooled ? engine_.kernels.mean_weight_gradient : engine_.kernels.spike_weight_gradient;
  const std::int64_t taps = weights.taps;
  const std::int64_t group = (taps + kTapGroups - 1) / kTapGroups;
  const std::int64_t groups = (taps + group - 1) / group;
  const std::int64_t number = chunks(weights.inputs);
  const std::int64_t block_values = images_ * stage.pixels() * engine_.plan.timesteps * kBlock;
  float* const result = gradients_->weights[index][which];
  ThreadTeam::shared().run(
      stage.output_blocks() * number * groups, engine_.threads, [&](std::int64_t unit, int) {
        const std::int64_t block = unit / (number * groups);
        WeightGradientTask task = inputs;
        task.gradients = workspace_.stages[index].values.data() + block * block_values;
        task.chunk = unit / groups % number;
        task.first_tap = unit % groups * group;
        task.last_tap = std::min(taps, task.first_tap + group);
        task.tap_stride = weights.inputs * kBlock;
        task.weights = result + block * weights.per_block() + task.first_tap * task.tap_stride +
                       task.chunk * kChunk * kBlock;
        if (!gradients_->accumulate) {
          const std::int64_t rows = std::min(kChunk, weights.inputs - task.chunk * kChunk);
          for (std::int64_t tap = 0; tap < task.last_tap - task.first_tap; ++tap) {
            std::fill_n(task.weights + tap * task.tap_stride, rows * kBlock, 0.0F);
          }
        }
        kernel(task);
      });
}

/// An image's gradients are read for several taps before the next one's take their place in the cache.
void BackwardPass::image_weight_gradient() {
  const ImageSynapse& image = engine_.stages.image;
  const Stage& stage = engine_.stages.stages.front();
  const std::int64_t taps = image.connections.taps;
  const std::int64_t channels = image.input[0];
  const std::int64_t group = (taps + engine_.threads - 1) / engine_.threads;
  const std::int64_t groups = (taps + group - 1) / group;
  ThreadTeam::shared().run(stage.output_blocks() * groups, engine_.threads, [&](std::int64_t unit, int) {
    const std::int64_t block = unit / groups;
    const std::int64_t first = unit % groups * group;
    const std::int64_t end = std::min(taps, first + group);
    float* weights = gradients_->weights.front().front() + block * image.weights.per_block();
    ImageWeightGradientTask task;
    task.output_pixels = stage.pixels();
    task.input_channels = channels;
    if (!gradients_->accumulate)
      std::fill_n(weights + first * channels * kBlock, (end - first) * channels * kBlock, 0.0F);
    for (std::int64_t each = 0; each < images_; ++each) {
      task.gradients =
          workspace_.stages.front().values.data() + (block * images_ + each) * stage.pixels() * kBlock;
      task.image = workspace_.image.data() + each * image.connections.input_pixels * channels;
      for (std::int64_t tap = first; tap < end; ++tap) {
        task.weights = weights + tap * channels * kBlock;
        task.inputs = image.connections.inputs.data() + tap * stage.pixels();
        engine_.kernels.image_weight_gradient(task);
      }
    }
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
