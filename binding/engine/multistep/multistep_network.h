#pragma once

#include <optional>
#include <string>

#include "engine/spiking_network.h"
#include "kernels/kernels.h"

namespace hire_snn {

/// How a layer's weighted sums are made from its input.
enum class ForwardKernel {
  kLevels,  ///< sums over all inputs as whole numbers, with weights in fixed point; for matrix units
  kEvents,  ///< sums over the active inputs
};

/// How the gradient by a layer's input is made from that by its sums.
enum class BackwardKernel {
  kDigits,    ///< the same as kWinograd with its products, and those of linear layers, in fixed point; for
              ///< matrix units
  kWinograd,  ///< 3x3 convolutions with stride 1; other layers by products
  kProducts,
};

/// A choice holds for the layers that it can compute.
struct MultistepOptions {
  std::optional<InstructionSet> instruction_set;  ///< the best that the machine has, unless given
  std::optional<ForwardKernel> forward;           ///< kLevels with matrix units, else kEvents
  std::optional<BackwardKernel> backward;         ///< kDigits with matrix units, else kWinograd
};

/// Why the multi-step engine cannot run a network; nothing if it can.
std::optional<std::string> multistep_obstacle(const NetworkPlan& plan);

/// The fast engine for the CPU, in float32. All time steps of a layer are computed together: sums over the
/// active inputs alone, or over all of them by matrix units, with the neurons carried through time
/// while their currents are in the cache; gradients by Winograd and matrix products, from the first time step
/// on at which some neuron of the layer has one. See docs/engine.md.
///
/// Throws CodedError INVALID_ARGUMENT for an option that the machine cannot follow.
std::unique_ptr<SpikingNetwork> make_multistep_network(NetworkPlan plan, const MultistepOptions& options);

}  // namespace hire_snn
