#pragma once

#include <optional>
#include <string>
#include <vector>

#include "digit_weights.h"
#include "engine/stage_graph.h"
#include "multistep_network.h"
#include "packed_weights.h"

namespace hire_snn {

/// How the sums of a layer are made of whole numbers, InputLevels.
struct LevelWeights {
  bool linear;
  std::int64_t kernel;   ///< of a convolution
  DigitWeights weights;  ///< [output block], factors [tap][input]
};

/// A way from the spikes of one stage, or from their 2x2 means, into the neurons of a later one.
struct Synapse {
  std::size_t source;  ///< index of the stage
  bool pooled;
  Shape input;  ///< behind the pool
  Connections connections;
  std::optional<std::size_t> counted;       ///< index among NetworkPlan::counted_synapses()
  std::vector<std::int32_t> reach;          ///< of the connections
  bool copies;                              ///< the input as it is, without weights
  std::optional<PackedWeights> weights;     ///< unless both directions are computed otherwise
  std::optional<LevelWeights> levels;       ///< if the sums are made so
  std::optional<WinogradWeights> backward;  ///< if the gradient is computed so
  std::optional<DigitWeights> turned;       ///< of a linear layer: [tap][input block], factors [output]

  std::int64_t input_blocks() const { return blocks(input[0]); }
};

/// A layer of neurons with what leads to it, or the output layer. Pools are not stages: they belong to the
/// synapses that read them.
struct Stage {
  std::size_t layer;                ///< in the plan
  std::optional<std::size_t> pool;  ///< the layer behind it in the plan, if that is a pool
  Shape output;
  /// First that from the stage before, then that of the shortcut. The first stage has none.
  std::vector<Synapse> synapses;
  float threshold = 0;
  float leak = 1;
  float least_firing = 0;  ///< the smallest membrane that fires
  float output_scale = 1;  ///< what spikes count for: more than 1 behind dropout

  std::int64_t pixels() const { return output[1] * output[2]; }
  std::int64_t output_blocks() const { return blocks(output[0]); }
};

/// The first layer, whose input is the image.
struct ImageSynapse {
  Shape input;
  Connections connections;
  PackedWeights weights;
};

/// Which synapses get PackedWeights.
enum class Packing {
  kAll,
  kShortcuts,  ///< and the first layer; those of the others are left to who chooses how each is computed
};

struct Stages {
  ImageSynapse image;
  std::vector<Stage> stages;  ///< the last is the output layer
  std::size_t counted_synapses = 0;

  Stages(const NetworkPlan& plan, Packing packing);

  std::int64_t bytes() const;

 private:
  Stages(const NetworkPlan& plan, Packing packing, std::vector<StagePlan> graph);
};

/// @param weight as in the plan
PackedWeights packed_weights(const at::Tensor& weight, const Shape& input, const Connections& connections,
                             int threads);

/// Whether Winograd's F(4x4, 3x3) can compute a layer.
bool winograd_can(const LayerPlan& layer);

/// The weights of a layer for sums over whole numbers; nothing for a convolution with a stride, or if fixed
/// point is not fit for them (DigitWeights::of).
std::optional<LevelWeights> level_weights(const LayerPlan& layer, const Connections& connections,
                                          std::int64_t inputs, int threads);

/// The weights of a linear layer for the gradient by its input; nothing for a convolution, or if fixed point
/// is not fit for them.
std::optional<DigitWeights> turned_weights(const LayerPlan& layer, const Connections& connections,
                                           std::int64_t inputs, int threads);

/// Memory that the membranes of one image take.
std::int64_t membrane_bytes(const NetworkPlan& plan);

}  // namespace hire_snn
