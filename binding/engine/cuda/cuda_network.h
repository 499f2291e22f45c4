#pragma once

#include <memory>
#include <optional>
#include <string>

#include "device.h"
#include "engine/spiking_network.h"

namespace hire_snn::cuda {

/// Why the CUDA engine cannot run a network; nothing if it can.
std::optional<std::string> cuda_obstacle(const NetworkPlan& plan);

/// The engine for GPUs, in float32: all time steps of a layer are computed together, weighted sums on matrix
/// units with their factors split, neurons in registers. Images come from and results go to the host; nothing
/// in between waits for it. See docs/engine.md.
///
/// @param device with kernels for the plan's surrogate
std::unique_ptr<SpikingNetwork> make_cuda_network(NetworkPlan plan, std::unique_ptr<Device> device);

}  // namespace hire_snn::cuda
