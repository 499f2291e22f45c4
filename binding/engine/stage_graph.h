#pragma once

#include <optional>
#include <vector>

#include "connections.h"
#include "network_plan.h"

namespace hire_snn {

/// A way from the spikes of one stage, or from their 2x2 means, into the neurons of a later one.
struct SynapsePlan {
  std::size_t source;  ///< index of the stage
  bool pooled;
  Shape input;  ///< behind the pool
  Connections connections;
  at::Tensor weight;  ///< as in the plan; undefined where the input is added as it is
  /// Index among NetworkPlan::counted_synapses(); nothing where the input is added as it is.
  std::optional<std::size_t> counted;
};

/// A layer of neurons with what leads to it, or the output layer.
struct StagePlan {
  std::size_t layer;                ///< in the plan
  std::optional<std::size_t> pool;  ///< the layer behind it in the plan, if that is a pool
  Shape input;                      ///< the map, also in front of a linear layer
  Shape output;
  Connections connections;  ///< of the layer itself
  /// First that from the stage before, then that of the shortcut. The first stage, which sees the image, has
  /// none.
  std::vector<SynapsePlan> synapses;
  float threshold = 0;
  float leak = 1;
  float least_firing = 0;  ///< the smallest membrane that fires: no division is needed to decide it
};

/// The smallest float h for which the original's h / threshold - 1 > 0 holds, so that a comparison stands for
/// the division.
float least_firing_membrane(float threshold);

/// A plan as engines over all time steps read it: stages, of which the last is the output layer. Pools are
/// not stages: they belong to the synapses that read them.
std::vector<StagePlan> stages_of(const NetworkPlan& plan);

/// The layer of a pool that has no neurons in front of it, which stages_of() cannot express.
std::optional<std::string> pool_without_neurons(const NetworkPlan& plan);

}  // namespace hire_snn
