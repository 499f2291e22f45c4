#pragma once

#include "engine/cancellation.h"
#include "engine/network_plan.h"

namespace hire_snn {

struct CalibrationOptions {
  std::int64_t timesteps = 100;
  double fraction = 0.997;       ///< of a layer's weighted sums that the threshold lies above
  double scale = 1;              ///< what the thresholds that are found are multiplied by, in the end
  double block_threshold = 0.4;  ///< of the layers in and behind residual blocks, which are not searched for
  bool plain = false;            ///< whether libtorch's dense layers are asked for
};

/// Thresholds found layer by layer, as DIET-SNN finds them between ANN and spiking network: that of a layer
/// is the largest over the time steps of the kth smallest of its weighted sums over the batch, with k = 1 +
/// round(fraction * (number - 1)), while the layers before it spike at the thresholds found for them, with a
/// leak of 1 and without dropout. Under the plan's coding; of rate coding it sees pass 0.
/// Weighted sums are made by the multi-step engine where it can, over events.
///
/// @param images [N, C, H, W] in the plan's dtype: one batch of training images
/// @param samples [N] int64: their indices, of rate coding
/// @returns a threshold for each layer of neurons, in order
/// Throws CodedError TRAINING_FAILED if a threshold is not above 0.
std::vector<double> find_thresholds(const NetworkPlan& plan, const at::Tensor& images,
                                    const at::Tensor& samples, const CalibrationOptions& options,
                                    const Cancellation& cancellation);

}  // namespace hire_snn
