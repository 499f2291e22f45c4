#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "aligned_buffer.h"
#include "kernels/kernels.h"

namespace hire_snn {

/// Spikes of one layer: a bit for each neuron and time step.
struct SpikeMap {
  std::int64_t images = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t timesteps = 0;
  std::int64_t words = 0;         ///< of 64 channels
  std::uint64_t* bits = nullptr;  ///< [image][pixel][timestep][word]

  std::int64_t pixels() const { return height * width; }
  std::uint64_t* at(std::int64_t image, std::int64_t pixel) const {
    return bits + (image * pixels() + pixel) * timesteps * words;
  }
};

/// How many output pixels the inputs of a layer reach: Evaluation::reached.
struct ReachTask {
  const std::int32_t* reach;  ///< [input pixel], Connections::reach()
  std::int64_t* reached;      ///< [image][2], set
};

/// How many of the neurons that a value stands for fired: 0 or 1, and behind a pool 0 to 4.
///
/// Throws CodedError INVALID_ARGUMENT for a value that no spikes have.
unsigned fired_neurons(float value, bool pooled);

/// The input of a layer as lists of its active channels, in rising order: three (kPairLists) for each pixel,
/// pair of time steps and chunk of channels. Behind an average pool, an entry also says what part of the four
/// neurons fired, and what two time steps have in common is the channels of which equally many did.
class EventLists {
 public:
  /// From the spikes themselves, or from their 2x2 means. Several threads build them.
  ///
  /// @param active [image][timestep]: set to the number of entries
  void build(const SpikeMap& spikes, bool pooled, std::int32_t* active, const ReachTask& task, int threads);

  /// From values [timestep, image, channel, height, width], float32.
  ///
  /// Throws CodedError INVALID_ARGUMENT if one is not 0 or 1 (pooled: 0, 1/4, 2/4, 3/4 or 1).
  void build(const at::Tensor& values, bool pooled);

  /// The inputs of `task`, except its `inputs` and `input_pixels`.
  void describe(EventTask& task) const;

  /// The inputs of an image, pixel and time step as kBlock values of one half of a chunk.
  void expand(std::int64_t image, std::int64_t block, std::int64_t pixel, std::int64_t timestep,
              float* values) const;

  bool pooled() const { return pooled_; }
  std::int64_t bytes() const { return offsets_.bytes() + channels_.bytes() + means_.bytes(); }

 private:
  struct Writer;

  void resize(std::int64_t images, std::int64_t pixels, std::int64_t timesteps, std::int64_t channels,
              bool pooled);
  Writer writer(std::int64_t image);

  bool pooled_ = false;
  std::int64_t pixels_ = 0;
  std::int64_t timesteps_ = 0;
  std::int64_t offsets_per_image_ = 0;
  std::int64_t entries_per_image_ = 0;
  AlignedBuffer<std::uint32_t> offsets_;
  AlignedBuffer<std::uint8_t> channels_;  // in their chunk, of spikes
  AlignedBuffer<MeanEvent> means_;        // of pooled inputs
};

}  // namespace hire_snn
