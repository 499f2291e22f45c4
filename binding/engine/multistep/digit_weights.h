#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "aligned_buffer.h"
#include "kernels/kernels.h"
#include "thread_team.h"

namespace hire_snn {

/// Weights in fixed point, as matrix units read them. Each output has a power of two of its own, by which its
/// weights become whole numbers of three digits: the largest are rounded to 23 bits, as a float32 has 24, and
/// the error of the others is no larger.
class DigitWeights {
 public:
  /// Most factors of a sum: float32 holds the sums of digits exactly.
  static constexpr std::int64_t kMostFactors = (1 << 24) / 512;

  /// @param blocks of outputs
  /// @param factors of a sum, a multiple of kMatrixFactors and at most kMostFactors
  /// @param weight weight(block, factor, lane) is a finite number; called from several threads
  template <typename Weight>
  DigitWeights(std::int64_t blocks, std::int64_t factors, int threads, const Weight& weight)
      : factors_(factors) {
    values_.reserve(blocks * per_block());
    scales_.resize(static_cast<std::size_t>(blocks * kBlock));
    ThreadTeam::shared().run(blocks * kMatrixColumns, threads, [&](std::int64_t column, int) {
      const std::int64_t first = column % kMatrixColumns * kMatrixRows;
      std::vector<double> weights(static_cast<std::size_t>(factors * kMatrixRows));  // [factor][lane]
      auto to = weights.begin();
      for (std::int64_t factor = 0; factor < factors; ++factor) {
        for (std::int64_t lane = 0; lane < kMatrixRows; ++lane) {
          *to++ = weight(column / kMatrixColumns, factor, first + lane);
        }
      }
      split(weights.data(), values_.data() + column * kMatrixRows * factors * kDigits,
            scales_.data() + column * kMatrixRows);
    });
  }

  std::int64_t panels() const { return factors_ / kMatrixFactors; }
  const std::int8_t* block(std::int64_t block) const { return values_.data() + block * per_block(); }
  const float* scales(std::int64_t block) const { return scales_.data() + block * kBlock; }
  std::int64_t bytes() const {
    return values_.bytes() + static_cast<std::int64_t>(scales_.size() * sizeof(float));
  }

 private:
  std::int64_t per_block() const { return kBlock * factors_ * kDigits; }

  /// @param weights [factor][kMatrixRows] of a column of outputs
  /// @param panels of the column
  /// @param scales [kMatrixRows]: what the lowest digits count
  void split(const double* weights, std::int8_t* panels, float* scales) const;

  std::int64_t factors_;
  AlignedBuffer<std::int8_t> values_;  // [block][kMatrixColumns][panel][kMatrixPanel]
  std::vector<float> scales_;          // [block][kBlock]
};

}  // namespace hire_snn
