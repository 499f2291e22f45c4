#include <ATen/Parallel.h>

#include <algorithm>

#include "calibrated_layers.h"
#include "engine/multistep/batch_values.h"
#include "engine/multistep/multistep_network.h"
#include "engine/multistep/pass.h"
#include "engine/multistep/thread_team.h"
#include "largest_sums.h"

namespace hire_snn {
namespace {

/// What the sums of a part of the batch may take.
constexpr std::int64_t kPartBytes = std::int64_t{128} << 20;

/// What the largest sums of a layer may take.
constexpr std::int64_t kLargestBytes = std::int64_t{1} << 30;

/// A plan over all time steps of a search. Thresholds that are not found yet are not used.
NetworkPlan searched(NetworkPlan plan, std::int64_t timesteps) {
  plan.timesteps = timesteps;
  for (LayerPlan& layer : plan.layers) layer.neuron = {.threshold = 1, .leak = 1};
  return plan;
}

std::int64_t kth_largest(const LayerPlan& layer, std::int64_t images, double fraction) {
  const std::int64_t sums = images * elements(layer.output);
  return sums - kth_smallest(fraction, sums) + 1;
}

/// Spikes of the whole batch are kept for one layer alone. The layer behind it is computed twice: its sums
/// are too many to be kept until its threshold is known.
class MultistepLayers final : public CalibratedLayers {
 public:
  MultistepLayers(NetworkPlan plan, const at::Tensor& images, std::int64_t timesteps)
      : plan_(searched(std::move(plan), timesteps)),
        images_(images),
        stages_(plan_, Packing::kShortcuts),
        kernels_(kernels_for(best_instruction_set())) {
    workspace_.stages.resize(stages_.stages.size());
  }

  double search(std::size_t layer, double fraction, const Cancellation& cancellation) override;
  void fire(std::size_t layer, double threshold, const Cancellation& cancellation) override;

 private:
  template <typename Work>
  void for_each_part(const Cancellation& cancellation, const Work& work);
  Stage& stage() { return stages_.stages[stage_]; }

  NetworkPlan plan_;
  at::Tensor images_;
  Stages stages_;
  const Kernels& kernels_;
  Workspace workspace_;
  std::size_t stage_ = 0;                // that is searched, or fires
  AlignedBuffer<std::uint64_t> spikes_;  // of the stage before it, of all images
};

/// Calls `work(engine, first, count)` for images after images, once the input of the stage is there.
template <typename Work>
void MultistepLayers::for_each_part(const Cancellation& cancellation, const Work& work) {
  const int threads = at::get_num_threads();
  workspace_.workers.resize(static_cast<std::size_t>(threads));
  const Engine engine{plan_, stages_, kernels_, threads};
  const std::int64_t images = images_.size(0);
  const std::int64_t bytes = stage().output_blocks() * stage().pixels() * plan_.timesteps * kBlock *
                             static_cast<std::int64_t>(sizeof(float));
  const std::int64_t part = std::max<std::int64_t>(1, kPartBytes / bytes);
  for (std::int64_t first = 0; first < images; first += part) {
    cancellation.check();
    const std::int64_t count = std::min(part, images - first);
    if (stage_ == 0) {
      load_images(plan_, images_, first, count, workspace_);
    } else {
      const Stage& source = stages_.stages[stage_ - 1];
      StageState& state = workspace_.stages[stage_ - 1];
      state.spikes = {count,           source.output[1],       source.output[2],
                      plan_.timesteps, source.output_blocks(), nullptr};
      state.spikes.bits = spikes_.data() + first * source.pixels() * plan_.timesteps * source.output_blocks();
      state.active_means.resize(static_cast<std::size_t>(count * plan_.timesteps));
    }
    work(engine, first, count);
  }
}

double MultistepLayers::search(std::size_t layer, double fraction, const Cancellation& cancellation) {
  while (stage().layer != layer) ++stage_;
  if (stage_ > 0) {
    Synapse& synapse = stage().synapses.front();
    synapse.weights =
        packed_weights(plan_.layers[layer].weight, synapse.input, synapse.connections, at::get_num_threads());
  }
  // The first stage's sums are the same at every time step.
  const std::int64_t steps = stage_ == 0 ? 1 : plan_.timesteps;
  LargestSums largest(steps, kth_largest(plan_.layers[layer], images_.size(0), fraction));
  for_each_part(cancellation, [&](const Engine& engine, std::int64_t, std::int64_t count) {
    ForwardPass pass(engine, workspace_, count, /*keep=*/true);
    if (stage_ == 0) {
      pass.image_currents();
    } else {
      pass.currents(stage_, 0);
    }
    const std::int64_t rows = count * stage().pixels();
    for (std::int64_t block = 0; block < stage().output_blocks(); ++block) {
      const std::int64_t lanes = std::min(kBlock, stage().output[0] - block * kBlock);
      largest.add(workspace_.stages[stage_].values.data() + block * rows * steps * kBlock, rows, lanes,
                  engine.threads);
    }
  });
  return static_cast<double>(largest.find());
}

void MultistepLayers::fire(std::size_t /*layer*/, double threshold, const Cancellation& cancellation) {
  stage().threshold = static_cast<float>(threshold);
  stage().least_firing = least_firing_membrane(stage().threshold);
  const std::int64_t words_per_image = stage().pixels() * plan_.timesteps * stage().output_blocks();
  AlignedBuffer<std::uint64_t> fired(images_.size(0) * words_per_image);
  for_each_part(cancellation, [&](const Engine& engine, std::int64_t first, std::int64_t count) {
    ForwardPass(engine, workspace_, count, /*keep=*/false).stage(stage_);
    std::copy_n(workspace_.stages[stage_].spikes.bits, count * words_per_image,
                fired.data() + first * words_per_image);
  });
  spikes_ = std::move(fired);
  workspace_.stages[stage_] = {};
  if (stage_ > 0) stage().synapses.front().weights.reset();
}

}  // namespace

std::optional<std::string> multistep_calibration_obstacle(const NetworkPlan& plan, std::int64_t images,
                                                          std::int64_t timesteps, double fraction) {
  if (const auto obstacle = multistep_obstacle(plan)) return obstacle;
  for (const LayerPlan& layer : plan.layers) {
    if (layer.spikes() &&
        LargestSums::bytes(timesteps, kth_largest(layer, images, fraction)) > kLargestBytes) {
      return "of " + layer.name + " too many sums would have to be kept";
    }
  }
  return std::nullopt;
}

std::unique_ptr<CalibratedLayers> multistep_calibrated_layers(NetworkPlan plan, const at::Tensor& images,
                                                              std::int64_t timesteps) {
  return std::make_unique<MultistepLayers>(std::move(plan), images, timesteps);
}

}  // namespace hire_snn
