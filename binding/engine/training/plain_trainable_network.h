#pragma once

#include "trainable_network.h"

namespace hire_snn {

/// Where and how libtorch's dense layers train.
struct DenseTrainingOptions {
  /// Weights, activations and gradients lie there; thresholds and leaks, and what a pass tells of itself, on
  /// the CPU.
  at::Device device = at::kCPU;
  /// Whether products of convolutions and linear layers are made of bfloat16, but for the first layer, which
  /// sees the image, and the last, which makes the logits. Weights, membranes, sums over time and the
  /// optimizer stay in float32.
  bool mixed_precision = false;
  /// Whether neurons are computed by libtorch's operations on tensors on the CPU too, as on every other
  /// device.
  bool tensor_neurons = false;
};

/// Training on libtorch's dense layers, layer by layer over all time steps, in float32 or float64; spiking or
/// rectified. Parameters lie in memory as in the plan.
///
/// Throws CodedError NETWORK_INVALID if the plan contradicts itself; INVALID_ARGUMENT for mixed precision of
/// float64.
std::unique_ptr<TrainableNetwork> make_plain_trainable_network(TrainingPlan plan,
                                                               const DenseTrainingOptions& options);

}  // namespace hire_snn
