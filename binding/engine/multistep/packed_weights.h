#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "aligned_buffer.h"
#include "digit_weights.h"

namespace hire_snn {

/// The weights of a layer as sums over events read them: a row of kBlock outputs for each input.
struct PackedWeights {
  std::int64_t inputs = 0;  ///< channels, with their padding
  std::int64_t taps = 0;
  AlignedBuffer<float> values;  ///< [output block][tap][input][kBlock]

  /// @param weight [outputs, inputs, ...taps] or [outputs, inputs * taps], float32
  /// @param padded_inputs at least `inputs`; those beyond have weights of zero
  PackedWeights(const at::Tensor& weight, std::int64_t inputs, std::int64_t padded_inputs, std::int64_t taps,
                int threads);

  std::int64_t per_block() const;
  const float* block(std::int64_t block) const { return values.data() + block * per_block(); }
  const float* row(std::int64_t block, std::int64_t tap, std::int64_t input) const;
};

/// 3x3 kernels as Winograd's products read them that carry gradients from a convolution's outputs to its
/// inputs.
struct WinogradWeights {
  std::int64_t inputs = 0;             ///< factors of a product: the convolution's outputs, padded
  std::int64_t output_blocks = 0;      ///< of its inputs
  AlignedBuffer<float> values;         ///< [position][output block][input][kBlock], unless there are digits
  std::optional<DigitWeights> digits;  ///< [position][output block], factors [input]

  /// Computed in double precision, rounded once.
  /// @param weight [outputs, inputs, 3, 3], float32
  /// @param in_digits in fixed point, if that is fit for the weights (DigitWeights::of)
  WinogradWeights(const at::Tensor& weight, bool in_digits, int threads);

  /// The same, not in digits, of weights that change.
  /// @param outputs of the convolution
  WinogradWeights(const PackedWeights& weights, std::int64_t outputs, int threads);
  /// Takes what `weights`, of the same layer, hold now.
  void refresh(const PackedWeights& weights, int threads);

  const float* panel(std::int64_t position, std::int64_t output_block) const;
  std::int64_t bytes() const { return values.bytes() + (digits ? digits->bytes() : 0); }
};

}  // namespace hire_snn
