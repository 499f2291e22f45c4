#include "calibration.h"

#include <algorithm>
#include <cmath>

#include "calibrated_layers.h"
#include "engine/error.h"

namespace hire_snn {
namespace {

/// The first layer in or behind a residual block; the number of layers if there is none.
std::size_t first_block_layer(const NetworkPlan& plan) {
  std::size_t first = plan.layers.size();
  for (const LayerPlan& layer : plan.layers) {
    if (layer.shortcut) first = std::min(first, layer.shortcut->from + 1);
  }
  return first;
}

}  // namespace

std::vector<double> find_thresholds(const NetworkPlan& plan, const at::Tensor& images,
                                    const at::Tensor& samples, const CalibrationOptions& options,
                                    const Cancellation& cancellation) {
  if (samples.numel() != images.size(0)) {
    throw CodedError("INVALID_ARGUMENT", "Expected the indices of " + std::to_string(images.size(0)) +
                                             " samples but received " + std::to_string(samples.numel()));
  }
  const std::size_t end = first_block_layer(plan);
  const std::unique_ptr<CalibratedLayers> layers =
      options.plain ||
              multistep_calibration_obstacle(plan, images.size(0), options.timesteps, options.fraction)
          ? plain_calibrated_layers(plan, images, samples, options.timesteps)
          : multistep_calibrated_layers(plan, images, options.timesteps);
  std::vector<double> thresholds;
  std::optional<std::size_t> found;  // the layer whose threshold was found last
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    const LayerPlan& layer = plan.layers[i];
    if (!layer.spikes()) continue;
    if (i >= end) {
      thresholds.push_back(options.block_threshold);
      continue;
    }
    if (found) layers->fire(*found, thresholds.back(), cancellation);
    const double threshold = layers->search(i, options.fraction, cancellation);
    if (!(threshold > 0) || !std::isfinite(threshold)) {
      throw CodedError("TRAINING_FAILED",
                       "Expected a threshold above 0 for " + layer.name + " but found " +
                           std::to_string(threshold) +
                           ": the layer's input is silent; train the ANN for longer, or give more images");
    }
    thresholds.push_back(threshold);
    found = i;
  }
  // Blocks have theirs already.
  std::size_t neuron = 0;
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    if (!plan.layers[i].spikes()) continue;
    if (i < end) thresholds[neuron] *= options.scale;
    ++neuron;
  }
  return thresholds;
}

}  // namespace hire_snn
