#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "aligned_buffer.h"
#include "kernels/kernels.h"
#include "thread_team.h"

namespace hire_snn {

/// Weights in fixed point, as matrix units read them. Each output has a power of two of its own, by which its
/// weights become whole numbers of three digits; they are rounded by at most 2^-23 of its largest.
class DigitWeights {
 public:
  /// Most factors of a sum. The sums of levels (at most 4) and digits are whole numbers that float32 holds,
  /// and those of three products of digits ones of 32 bits.
  static constexpr std::int64_t kMostFactors = 1 << 15;
  static_assert(4 * 128 * kMostFactors <= 1 << 24);
  static_assert(3 * 128 * 128 * kMostFactors < std::int64_t{1} << 31);

  /// Nothing if fixed point is not fit for the weights: more than kMostFactors factors, a weight that is not
  /// finite or beyond 2^60, or an output most of whose weights are less than 1/128 of the largest, so that
  /// too little would be left of them.
  ///
  /// @param blocks of outputs
  /// @param factors of a sum, a multiple of kMatrixFactors
  /// @param weight weight(block, factor, lane); called from several threads
  template <typename Weight>
  static std::optional<DigitWeights> of(std::int64_t blocks, std::int64_t factors, int threads,
                                        const Weight& weight) {
    if (factors > kMostFactors) return std::nullopt;
    DigitWeights result(blocks, factors);
    std::vector<std::vector<double>> columns(static_cast<std::size_t>(threads));  // [factor][lane]
    for (auto& column : columns) column.resize(static_cast<std::size_t>(factors * kMatrixRows));
    std::atomic<bool> fit = true;
    ThreadTeam::shared().run(blocks * kMatrixColumns, threads, [&](std::int64_t column, int worker) {
      if (!fit.load(std::memory_order_relaxed)) return;
      const std::int64_t first = column % kMatrixColumns * kMatrixRows;
      double* const weights = columns[static_cast<std::size_t>(worker)].data();
      double* to = weights;
      for (std::int64_t factor = 0; factor < factors; ++factor) {
        for (std::int64_t lane = 0; lane < kMatrixRows; ++lane) {
          *to++ = weight(column / kMatrixColumns, factor, first + lane);
        }
      }
      if (!result.split(weights, column)) fit.store(false, std::memory_order_relaxed);
    });
    if (!fit) return std::nullopt;
    return result;
  }

  const std::int8_t* block(std::int64_t block) const { return values_.data() + block * per_block(); }
  const float* scales(std::int64_t block) const { return scales_.data() + block * kBlock; }
  std::int64_t bytes() const {
    return values_.bytes() + static_cast<std::int64_t>(scales_.size() * sizeof(float));
  }

 private:
  DigitWeights(std::int64_t blocks, std::int64_t factors);

  std::int64_t per_block() const { return kBlock * factors_ * kDigits; }

  /// @param weights [factor][kMatrixRows] of a column of outputs
  /// @returns whether they are fit for it
  bool split(const double* weights, std::int64_t column);

  std::int64_t factors_;
  AlignedBuffer<std::int8_t> values_;  // [block][kMatrixColumns][panel][kMatrixPanel]
  std::vector<float> scales_;          // [block][kBlock]
};

}  // namespace hire_snn
