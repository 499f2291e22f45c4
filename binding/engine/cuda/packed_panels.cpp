#include "packed_panels.h"

#include <ATen/Parallel.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Half.h>

#include <cmath>

namespace hire_snn::cuda {
namespace {

/// The channel of factor `i` of member `member` in instruction `s` of a chunk.
std::int64_t channel_of(FactorOrder order, int s, int member, int i) {
  if (order == FactorOrder::kGradients) return s * kFactors + member * 4 + i;
  const int level = 2 * (s % 2) + i / 2 + i % 2 * 4;
  return (2 * member + s / 2) * kLevelsPerWord + level;
}

struct Halves {
  std::uint16_t high;
  std::uint16_t low;
};

Halves split(float value) {
  const c10::Half high(value);
  return {high.x, c10::Half(value - static_cast<float>(high)).x};
}

}  // namespace

PackedPanels pack_panels(std::int64_t columns, std::int64_t taps, std::int64_t factors, FactorOrder order,
                         const std::function<float(std::int64_t, std::int64_t, std::int64_t)>& weight) {
  const std::int64_t blocks = chunks_of(columns);
  const std::int64_t chunks = chunks_of(factors);
  PackedPanels result{at::zeros({blocks * taps * chunks * kPanel * 4}, at::kInt),
                      at::ones({blocks * kChunk}, at::kFloat), static_cast<int>(blocks),
                      static_cast<int>(taps), static_cast<int>(chunks)};
  auto* quarters = reinterpret_cast<Quarter*>(result.panels.mutable_data_ptr<int>());
  auto* scales = result.scales.mutable_data_ptr<float>();
  at::parallel_for(0, columns, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t column = begin; column < end; ++column) {
      float largest = 0;
      for (std::int64_t tap = 0; tap < taps; ++tap) {
        for (std::int64_t factor = 0; factor < factors; ++factor) {
          largest = std::max(largest, std::abs(weight(column, tap, factor)));
        }
      }
      int exponent = 14;
      if (largest > 0) std::frexp(largest, &exponent);
      scales[column] = std::ldexp(1.0F, exponent - 14);
      const std::int64_t tile = column % kChunk / 16;
      const int place = static_cast<int>(column % 16 / 8);  // the column lane / 4, or the one eight on
      for (std::int64_t panel = 0; panel < taps * chunks; ++panel) {
        for (int s = 0; s < kChunk / kFactors; ++s) {
          for (int member = 0; member < 4; ++member) {
            const std::int64_t lane = column % 8 * 4 + member;
            Quarter* const to = quarters + (column / kChunk * taps * chunks + panel) * kPanel +
                                (s * kColumnTiles + tile) * 2 * kWarp + lane;
            for (int i = 0; i < 4; ++i) {
              const std::int64_t factor = panel % chunks * kChunk + channel_of(order, s, member, i);
              const float value = factor < factors ? weight(column, panel / chunks, factor) : 0.0F;
              const Halves halves = split(std::ldexp(value, 14 - exponent));
              const int word = i / 2 * 2 + place;
              to[0].words[word] |= static_cast<Word>(halves.high) << (16 * (i % 2));
              to[kWarp].words[word] |= static_cast<Word>(halves.low) << (16 * (i % 2));
            }
          }
        }
      }
    }
  });
  return result;
}

at::Tensor pack_image_weights(const at::Tensor& weight, std::int64_t channels, std::int64_t taps) {
  const std::int64_t columns = weight.size(0);
  at::Tensor packed = at::zeros({taps, channels, chunks_of(columns) * kChunk}, at::kFloat);
  packed.narrow(2, 0, columns).copy_(weight.reshape({columns, channels, taps}).permute({2, 1, 0}));
  return packed;
}

}  // namespace hire_snn::cuda
