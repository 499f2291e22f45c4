#pragma once

#include <memory>
#include <vector>

#include "digit_rows.h"
#include "event_lists.h"
#include "factor_lists.h"
#include "input_levels.h"
#include "stages.h"
#include "winograd.h"

namespace hire_snn {

/// What one thread needs for itself.
struct WorkerScratch {
  AlignedBuffer<float> sums;      // currents of a tile, or gradients by a layer's input
  AlignedBuffer<float> patch;     // zeros beside a map; a block of inputs; a transposed block of weights
  AlignedBuffer<float> neurons;   // [timesteps][kBlock]: the gradient by one block of neurons
  AlignedBuffer<float> membrane;  // [timesteps][kBlock]
  AlignedBuffer<std::uint64_t> spikes;
  std::vector<const float*> factors;
  std::vector<float*> results;
  std::vector<const std::uint8_t*> tiles;  // of rows whose sums are made together
  std::vector<std::int64_t> taps;
  AlignedBuffer<float>
      transformed;               // [position][input] of a patch; a row of gradients, or products of all rows
  AlignedBuffer<float> columns;  // [block of a chunk][kBlock][kBlock]: transposed weights
  AlignedBuffer<float> gradients;  // [kChunk][kBlock] by the weights
};

/// What a pass leaves of one stage.
struct StageState {
  SpikeMap spikes;
  AlignedBuffer<std::uint64_t> bits;
  /// [block][image][pixel][timestep][kBlock]: the currents, then the membranes, then the gradients by the
  /// currents. Of the first stage, whose current is constant, without the time step: the current, then the
  /// sum of the gradients over time. Of the output layer: the gradient by its sums.
  AlignedBuffer<float> values;
  /// Gradients by the spikes and by their 2x2 means that shortcuts have delivered:
  /// [block][image][pixel][timestep][kBlock].
  AlignedBuffer<float> by_spikes;
  AlignedBuffer<float> by_means;
  AlignedBuffer<std::uint64_t> kept;  // [image][pixel][word]: neurons that dropout keeps; empty without it
  AlignedBuffer<double>
      scalar_sums;  // [block][image][pixel][2]: what is summed to ParameterGradients::scalars
  std::vector<std::int32_t> active;        // [image][timestep] spikes
  std::vector<std::int32_t> active_means;  // [image][timestep] means that are not zero
  std::vector<std::int64_t> first_active;  // [image]: see Kernels::neuron_backward
  double forward_seconds = 0;
  double backward_seconds = 0;
};

/// The memory of a pass, used again by the next.
struct Workspace {
  std::vector<StageState> stages;
  std::vector<WorkerScratch> workers;
  AlignedBuffer<float> image;           // [image][pixel][channel], normalised
  AlignedBuffer<float> image_gradient;  // the same
  EventLists lists;                     // of the synapse that is being computed, unless lists are kept
  InputLevels levels;                   // of the same, where its sums are made of them
  std::vector<std::vector<EventLists>> kept_lists;  // by stage and synapse, for the gradients of weights
  std::vector<std::int32_t> list_counts;
  std::vector<std::int64_t> reached;  // [synapse][image][2]; the last are of synapses that are not counted
  WinogradProducts winograd;
  DigitRows digit_rows;
  FactorLists factor_lists;

  EventLists& lists_of(std::size_t stage, std::size_t synapse) {
    return kept_lists.empty() ? lists : kept_lists[stage][synapse];
  }

  std::int64_t bytes() const;
};

}  // namespace hire_snn
