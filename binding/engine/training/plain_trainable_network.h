#pragma once

#include "trainable_network.h"

namespace hire_snn {

/// Training on libtorch's dense layers, layer by layer over all time steps, in float32 or float64; spiking or
/// rectified. Parameters lie in memory as in the plan.
///
/// Throws CodedError NETWORK_INVALID if the plan contradicts itself.
std::unique_ptr<TrainableNetwork> make_plain_trainable_network(TrainingPlan plan);

}  // namespace hire_snn
