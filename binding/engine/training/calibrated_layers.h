#pragma once

#include <cmath>
#include <memory>
#include <optional>
#include <string>

#include "engine/cancellation.h"
#include "engine/network_plan.h"

namespace hire_snn {

/// Which smallest of so many weighted sums find_thresholds() takes, from 1.
inline std::int64_t kth_smallest(double fraction, std::int64_t sums) {
  return 1 + static_cast<std::int64_t>(std::nearbyint(fraction * static_cast<double>(sums - 1)));
}

/// A network's layers of neurons on one batch of images while their thresholds are found: each is searched,
/// then fires, before the next one is.
class CalibratedLayers {
 public:
  virtual ~CalibratedLayers() = default;

  /// @param layer index in the plan
  /// @returns the largest over the time steps of the kth smallest of the layer's weighted sums over the
  /// batch; not finite if there are not so many numbers at any
  virtual double search(std::size_t layer, double fraction, const Cancellation& cancellation) = 0;

  /// Carries the layer's neurons through all time steps, with a leak of 1.
  virtual void fire(std::size_t layer, double threshold, const Cancellation& cancellation) = 0;
};

/// On libtorch's dense layers: every plan.
///
/// @param images [N, C, H, W] in the plan's dtype
/// @param samples [N] int64: their indices, of rate coding
std::unique_ptr<CalibratedLayers> plain_calibrated_layers(NetworkPlan plan, const at::Tensor& images,
                                                          const at::Tensor& samples, std::int64_t timesteps);

/// Why the multi-step engine cannot find thresholds; nothing if it can.
std::optional<std::string> multistep_calibration_obstacle(const NetworkPlan& plan, std::int64_t images,
                                                          std::int64_t timesteps, double fraction);

/// On the multi-step engine's sums over events.
std::unique_ptr<CalibratedLayers> multistep_calibrated_layers(NetworkPlan plan, const at::Tensor& images,
                                                              std::int64_t timesteps);

}  // namespace hire_snn
