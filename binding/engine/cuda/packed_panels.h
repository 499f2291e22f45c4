#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/parameters.h"

namespace hire_snn::cuda {

/// In which order a kernel meets the channels of a chunk: see LevelOperand and GradientOperand in
/// kernels/products.h.
enum class FactorOrder { kLevels, kGradients };

/// Weights as kernels/products.h reads them. Each column has a power of two for itself that brings its
/// largest weight into [2^13, 2^14), so that both halves of every weight that matters are normal numbers.
struct PackedPanels {
  at::Tensor panels;  ///< int32, [column block][tap][chunk][kPanel]
  at::Tensor scales;  ///< float32, [column]: what undoes the powers of two
  int column_blocks = 0;
  int taps = 0;
  int chunks = 0;
};

/// @param columns, factors as they are; the panels are padded with zeros to whole chunks
/// @param weight (column, tap, factor) -> weight
PackedPanels pack_panels(std::int64_t columns, std::int64_t taps, std::int64_t factors, FactorOrder order,
                         const std::function<float(std::int64_t, std::int64_t, std::int64_t)>& weight);

/// The weights of the first stage: float32, [tap][channel][column], columns padded to whole chunks.
/// @param weight [columns, channels, ...taps]
at::Tensor pack_image_weights(const at::Tensor& weight, std::int64_t channels, std::int64_t taps);

inline std::int64_t chunks_of(std::int64_t channels) { return (channels + kChunk - 1) / kChunk; }

}  // namespace hire_snn::cuda
