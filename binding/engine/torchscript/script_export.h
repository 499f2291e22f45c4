#pragma once

#include <string>
#include <vector>

#include "engine/network_plan.h"

namespace hire_snn {

/// What the tensors of one layer are called in the checkpoint: "features.0.weight", "threshold.t0",
/// "leak.l0". A pool has none, an output layer only a weight.
struct LayerKeys {
  std::string weight;
  std::string threshold;
  std::string leak;
  std::string shortcut;  ///< of the weight of a shortcut, if there is one
};

/// A spiking network as a TorchScript program.
struct ScriptExport {
  NetworkPlan plan;
  std::vector<LayerKeys> keys;  ///< one per layer
  bool with_normalisation;      ///< whether forward() subtracts the mean and divides by the deviation
  bool with_spikes;             ///< whether forward() also returns the spike counts
  std::string metadata_name;    ///< of the extra file
  std::string metadata;
};

/// The program's code. It has only operators of plain PyTorch, and runs step by step as the original does:
///
///     u       = membrane / threshold - 1
///     fired   = u > 0
///     spikes  = fired + (u - detach(u)) * surrogate'(detach(u))
///
/// so that spikes are exactly 0 or 1, and autograd finds exactly the surrogate's derivative, wherever it
/// runs.
std::string script_source(const ScriptExport& network);

/// Compiles the program and writes it as an archive of torch.jit.save. Parameters are named as in the
/// checkpoint, so that state_dict() of what is loaded is the checkpoint's.
void export_script(const ScriptExport& network, const std::string& path);

}  // namespace hire_snn
