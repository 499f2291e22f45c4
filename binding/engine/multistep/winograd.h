#pragma once

#include <cstdint>

#include "aligned_buffer.h"
#include "digit_rows.h"
#include "kernels/kernels.h"
#include "packed_weights.h"

namespace hire_snn {

/// Buffers of one transposed convolution by Winograd's F(4x4, 3x3), used again by the next. A row is one tile
/// of one image at one time step.
class WinogradProducts {
 public:
  /// Rows that fit into the memory that the buffers should stay below.
  static std::int64_t rows_that_fit(const WinogradWeights& weights);

  void reserve(const WinogradWeights& weights, std::int64_t rows);

  /// Where winograd_input() puts a block of a row, and the stride between positions.
  float* input(std::int64_t row, std::int64_t block) {
    return inputs_.data() + row * input_stride_ + block * kBlock;
  }
  std::int64_t input_position_stride() const { return input_position_stride_; }

  /// Takes a row of weights in fixed point.
  /// @param values [position][input]
  void put(const Kernels& kernels, std::int64_t row, const float* values);

  void multiply(const Kernels& kernels, const WinogradWeights& weights, std::int64_t rows, int threads);

  /// Where winograd_output() finds a block of a row, and the stride between positions.
  const float* product(std::int64_t row, std::int64_t block) const {
    return products_.data() + row * product_stride_ + block * kBlock;
  }
  std::int64_t product_position_stride() const { return product_position_stride_; }

  std::int64_t bytes() const { return inputs_.bytes() + digits_.bytes() + products_.bytes(); }

 private:
  std::int64_t rows_ = 0;
  std::int64_t factors_ = 0;
  std::int64_t input_stride_ = 0;  // from row to row
  std::int64_t input_position_stride_ = 0;
  std::int64_t product_stride_ = 0;
  std::int64_t product_position_stride_ = 0;
  AlignedBuffer<float> inputs_;    // [position][row][input]
  DigitRows digits_;               // the same in fixed point, in place of them
  AlignedBuffer<float> products_;  // [position][row][output]
};

/// The tiles of a map: which pixels a tile's patch reads and which its outputs are.
class WinogradTiles {
 public:
  WinogradTiles(std::int64_t height, std::int64_t width);

  std::int64_t count() const { return down_ * across_; }

  /// @param pixels kPositions pixels of the patch, -1 outside of the map
  void patch(std::int64_t tile, std::int64_t* pixels) const;

  /// @param pixels kTile^2 pixels of the outputs, -1 outside of the map
  void outputs(std::int64_t tile, std::int64_t* pixels) const;

 private:
  std::int64_t pixel(std::int64_t y, std::int64_t x) const {
    return y < 0 || y >= height_ || x < 0 || x >= width_ ? -1 : y * width_ + x;
  }

  std::int64_t height_;
  std::int64_t width_;
  std::int64_t down_;
  std::int64_t across_;
};

}  // namespace hire_snn
