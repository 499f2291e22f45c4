#pragma once

#include <cstdint>
#include <vector>

#include "aligned_buffer.h"
#include "kernels/kernels.h"

namespace hire_snn {

/// Rows of factors in fixed point, each with a power of two of its own, for Kernels::multiply_digits().
class DigitRows {
 public:
  /// @param factors of a row, a multiple of kMatrixFactors
  void reserve(std::int64_t rows, std::int64_t factors) {
    factors_ = factors;
    // Rows whose distance is a multiple of 4 KB would share a few lines of the first-level cache.
    row_bytes_ = kDigits * factors + kMatrixFactors;
    digits_.reserve((rows + kMatrixRows) * row_bytes_);
    scales_.resize(static_cast<std::size_t>(rows));
  }

  void put(const Kernels& kernels, std::int64_t row, const float* values) {
    scales_[static_cast<std::size_t>(row)] =
        kernels.split_row(values, factors_, digits_.data() + row * row_bytes_);
  }

  /// The rows of `task`, from `first` on.
  void describe(DigitTask& task, std::int64_t first, std::int64_t count) const {
    task.rows = digits_.data() + first * row_bytes_;
    task.row_stride = row_bytes_;
    task.row_scales = scales_.data() + first;
    task.count = count;
    task.panels = factors_ / kMatrixFactors;
  }

  std::int64_t bytes() const {
    return digits_.bytes() + static_cast<std::int64_t>(scales_.size() * sizeof(float));
  }

 private:
  std::int64_t factors_ = 0;
  std::int64_t row_bytes_ = 0;
  AlignedBuffer<std::int8_t> digits_;  // [row][digit][factor]
  std::vector<float> scales_;
};

}  // namespace hire_snn
