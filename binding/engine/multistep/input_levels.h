#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "aligned_buffer.h"
#include "event_lists.h"
#include "stages.h"

namespace hire_snn {

/// The input of a layer as whole numbers, a byte each: 1 where a neuron fired, and behind an average pool how
/// many of the four did. The time steps before the first spike of an image are left out.
///
/// Of a convolution, maps have a margin of zeros: [image][pixel][timestep][channel]. Of a linear layer, whose
/// inputs are all channels of all pixels: [image][timestep][pixel][channel].
class InputLevels {
 public:
  /// From the spikes themselves, or from how many fired of each 2x2.
  ///
  /// @param fired [image][timestep]: neurons of the source that fired
  /// @param active [image][timestep]: set to the number of inputs that are not zero
  void build(const Synapse& synapse, const SpikeMap& spikes, const std::int32_t* fired, std::int32_t* active,
             const ReachTask& reach, const Kernels& kernels, int threads);

  /// From values [timestep, image, channel, height, width], float32.
  ///
  /// Throws CodedError INVALID_ARGUMENT if one is not 0 or 1 (pooled: 0, 1/4, 2/4, 3/4 or 1).
  void build(const Synapse& synapse, const at::Tensor& values);

  /// The first time step that is there; all of them if none of the image is.
  std::int64_t first_step(std::int64_t image) const { return first_steps_[static_cast<std::size_t>(image)]; }

  /// Where the first tap of a line of outputs has its first row; of a linear layer, whose only line is `y` =
  /// 0, the image.
  const std::uint8_t* line(std::int64_t image, std::int64_t y) const {
    return levels_.data() + start(image) + pixel(y, 0) * pixel_bytes(image);
  }

  /// From one row (a pixel and time step of a convolution, a time step of a linear layer) to the next.
  std::int64_t row_bytes() const { return row_bytes_; }

  /// Of kMatrixFactors inputs, that lie together at a tap. A linear layer has one tap.
  std::int64_t panels() const { return (linear_ ? height_ * width_ : 1) * channels_ / kMatrixFactors; }

  /// How many bytes further a tap's inputs lie than the first one's.
  void taps(std::int64_t image, std::vector<std::int64_t>& offsets) const;

  std::int64_t bytes() const { return levels_.bytes(); }

 private:
  void resize(const Synapse& synapse, std::int64_t timesteps);
  void clear_margin(std::int64_t image);
  /// Of the map without its margin.
  std::uint8_t* at_pixel(std::int64_t image, std::int64_t y, std::int64_t x) {
    return levels_.data() + start(image) + pixel(y + margin_, x + margin_) * pixel_bytes(image);
  }
  std::int64_t start(std::int64_t image) const { return starts_[static_cast<std::size_t>(image)]; }
  std::int64_t steps(std::int64_t image) const { return timesteps_ - first_step(image); }
  /// Of the map with its margin.
  std::int64_t pixel(std::int64_t y, std::int64_t x) const { return y * (width_ + 2 * margin_) + x; }
  std::int64_t pixel_bytes(std::int64_t image) const {
    return linear_ ? channels_ : steps(image) * channels_;
  }

  bool linear_ = false;
  std::int64_t margin_ = 0;
  std::int64_t kernel_ = 0;
  std::int64_t height_ = 0;
  std::int64_t width_ = 0;
  std::int64_t channels_ = 0;  // padded to blocks
  std::int64_t timesteps_ = 0;
  std::int64_t row_bytes_ = 0;
  std::vector<std::int64_t> first_steps_;  // [image]
  std::vector<std::int64_t> starts_;       // [image], and the end: bytes
  AlignedBuffer<std::uint8_t> levels_;
};

}  // namespace hire_snn
