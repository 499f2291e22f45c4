#pragma once

#include <cstdint>
#include <vector>

#include "engine/network_plan.h"

namespace hire_snn {

/// Which pixels of a map a layer connects. A tap is a place in a convolution's kernel; for a linear layer,
/// whose output is one pixel, it is a pixel of its input. At one tap, an output pixel has at most one input
/// pixel, and an input pixel at most one output pixel.
struct Connections {
  std::int64_t input_pixels;
  std::int64_t output_pixels;
  std::int64_t taps;
  std::vector<std::int32_t> inputs;   ///< [tap][output pixel], -1 for none
  std::vector<std::int32_t> outputs;  ///< [tap][input pixel], -1 for none

  /// [input pixel]: the output pixels that it has in all, fewer at a border.
  std::vector<std::int32_t> reach() const;

  static Connections convolution(const Shape& input, const Shape& output, std::int64_t kernel,
                                 std::int64_t stride);
  static Connections linear(std::int64_t input_pixels);
};

}  // namespace hire_snn
