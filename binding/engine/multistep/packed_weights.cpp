#include "packed_weights.h"

#include <algorithm>
#include <array>

#include "kernels/kernels.h"
#include "thread_team.h"

namespace hire_snn {
namespace {

using Kernel3x3 = std::array<std::array<double, 3>, 3>;
using Patch = std::array<std::array<double, kPatch>, kPatch>;

/// G g G^T.
Patch transform(const Kernel3x3& g) {
  constexpr double matrix[kPatch][3] = {{1. / 4, 0, 0},
                                        {-1. / 6, -1. / 6, -1. / 6},
                                        {-1. / 6, 1. / 6, -1. / 6},
                                        {1. / 24, 1. / 12, 1. / 6},
                                        {1. / 24, -1. / 12, 1. / 6},
                                        {0, 0, 1}};
  double rows[kPatch][3];
  for (int i = 0; i < kPatch; ++i) {
    for (int x = 0; x < 3; ++x) {
      rows[i][x] = matrix[i][0] * g[0][x] + matrix[i][1] * g[1][x] + matrix[i][2] * g[2][x];
    }
  }
  Patch result;
  for (int i = 0; i < kPatch; ++i) {
    for (int j = 0; j < kPatch; ++j) {
      result[i][j] = rows[i][0] * matrix[j][0] + rows[i][1] * matrix[j][1] + rows[i][2] * matrix[j][2];
    }
  }
  return result;
}

}  // namespace

PackedWeights::PackedWeights(const at::Tensor& weight, std::int64_t real_inputs, std::int64_t padded_inputs,
                             std::int64_t taps, int threads)
    : inputs(padded_inputs), taps(taps) {
  const std::int64_t outputs = weight.size(0);
  const float* from = weight.const_data_ptr<float>();
  values.reserve(blocks(outputs) * per_block());
  ThreadTeam::shared().run(blocks(outputs), threads, [&](std::int64_t block, int) {
    float* to = values.data() + block * per_block();
    std::fill_n(to, per_block(), 0.0F);
    const std::int64_t last = std::min(outputs, (block + 1) * kBlock);
    for (std::int64_t output = block * kBlock; output < last; ++output) {
      for (std::int64_t input = 0; input < real_inputs; ++input) {
        const float* kernel = from + (output * real_inputs + input) * taps;
        for (std::int64_t tap = 0; tap < taps; ++tap) {
          to[(tap * inputs + input) * kBlock + output % kBlock] = kernel[tap];
        }
      }
    }
  });
}

std::int64_t PackedWeights::per_block() const { return taps * inputs * kBlock; }

const float* PackedWeights::row(std::int64_t block, std::int64_t tap, std::int64_t input) const {
  return values.data() + block * per_block() + (tap * inputs + input) * kBlock;
}

WinogradWeights::WinogradWeights(const at::Tensor& weight, Direction direction, int threads) {
  const bool forward = direction == Direction::kForward;
  const std::int64_t from = weight.size(forward ? 1 : 0);
  const std::int64_t to = weight.size(forward ? 0 : 1);
  inputs = blocks(from) * kBlock;
  output_blocks = blocks(to);
  const std::int64_t per_position = output_blocks * inputs * kBlock;
  values.reserve(kPositions * per_position);
  const float* kernels = weight.const_data_ptr<float>();
  ThreadTeam::shared().run(output_blocks * inputs, threads, [&](std::int64_t row, int) {
    const std::int64_t input = row % inputs;
    for (std::int64_t lane = 0; lane < kBlock; ++lane) {
      const std::int64_t output = row / inputs * kBlock + lane;
      Patch patch{};
      if (input < from && output < to) {
        const float* kernel = kernels + (forward ? output * from + input : input * to + output) * 9;
        Kernel3x3 g;
        for (int y = 0; y < 3; ++y) {
          // The transposed convolution is one with the kernel turned by half a circle.
          for (int x = 0; x < 3; ++x) g[y][x] = kernel[forward ? y * 3 + x : 8 - (y * 3 + x)];
        }
        patch = transform(g);
      }
      for (int position = 0; position < kPositions; ++position) {
        values.data()[position * per_position + row * kBlock + lane] =
            static_cast<float>(patch[position / kPatch][position % kPatch]);
      }
    }
  });
}

const float* WinogradWeights::panel(std::int64_t position, std::int64_t output_block) const {
  return values.data() + (position * output_blocks + output_block) * inputs * kBlock;
}

}  // namespace hire_snn
