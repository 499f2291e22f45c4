#pragma once

#include <optional>
#include <string>

#include "engine/spiking_network.h"
#include "kernels/kernels.h"

namespace hire_snn {

/// How a layer's weighted sums are made from its input.
enum class ForwardKernel {
  kEvents,    ///< sums over the active inputs
  kWinograd,  ///< faster where most inputs are active, with rounding errors about twenty times as large
};

/// How the gradient by a layer's input is made from that by its sums.
enum class BackwardKernel { kWinograd, kProducts };

struct MultistepOptions {
  std::optional<InstructionSet> instruction_set;        ///< the best that the machine has, unless given
  ForwardKernel forward = ForwardKernel::kEvents;       ///< of the layers that Winograd can compute
  BackwardKernel backward = BackwardKernel::kWinograd;  ///< of those
};

/// Why the multi-step engine cannot run a network; nothing if it can.
std::optional<std::string> multistep_obstacle(const NetworkPlan& plan);

/// The fast engine for the CPU, in float32. All time steps of a layer are computed together: sums over the
/// active inputs alone, or Winograd products where the input is dense, with the neurons carried through time
/// while their currents are in the cache; gradients by Winograd and matrix products, from the first time step
/// on at which some neuron of the layer has one. See docs/engine.md.
///
/// Throws CodedError INVALID_ARGUMENT for an option that the machine cannot follow.
std::unique_ptr<SpikingNetwork> make_multistep_network(NetworkPlan plan, const MultistepOptions& options);

}  // namespace hire_snn
