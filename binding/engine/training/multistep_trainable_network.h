#pragma once

#include "engine/multistep/kernels/kernels.h"
#include "trainable_network.h"

namespace hire_snn {

/// Why the multi-step engine cannot train a network; nothing if it can.
std::optional<std::string> multistep_training_obstacle(const TrainingPlan& plan);

/// Training on the multi-step engine, for spiking networks in float32: sums over active inputs alone, forward
/// and for the gradients of weights; see docs/engine.md. Parameters lie in memory as the engine reads them,
/// so that an update needs no repacking. The bits do not depend on the number of threads.
/// @param set without matrix units; if none is given, the best that the machine runs
std::unique_ptr<TrainableNetwork> make_multistep_trainable_network(TrainingPlan plan,
                                                                   std::optional<InstructionSet> set = {});

}  // namespace hire_snn
