#include "packed_weights.h"

#include <algorithm>

#include "kernels/kernels.h"
#include "thread_team.h"

namespace hire_snn {
namespace {

/// Winograd's G.
constexpr double kTransform[kPatch][3] = {{1. / 4, 0, 0},
                                          {-1. / 6, -1. / 6, -1. / 6},
                                          {-1. / 6, 1. / 6, -1. / 6},
                                          {1. / 24, 1. / 12, 1. / 6},
                                          {1. / 24, -1. / 12, 1. / 6},
                                          {0, 0, 1}};

/// One position of G g G^T, of a kernel that is turned by half a circle: the transposed convolution's.
double turned_transform(const float* kernel, std::int64_t position) {
  const double* rows = kTransform[position / kPatch];
  const double* columns = kTransform[position % kPatch];
  double sum = 0;
  for (int x = 0; x < 3; ++x) {
    double column = 0;
    for (int y = 0; y < 3; ++y) column += rows[y] * static_cast<double>(kernel[8 - (y * 3 + x)]);
    sum += column * columns[x];
  }
  return sum;
}

/// G g G^T of kBlock kernels side by side, at every position.
/// @param kernels [9][kBlock], turned already if they are to be
/// @param to [position][kBlock], with the given stride
void transform_block(const float* kernels, float* to, std::int64_t position_stride) {
  double columns[kPatch][3][kBlock];
  for (int row = 0; row < kPatch; ++row) {
    for (int x = 0; x < 3; ++x) {
      for (std::int64_t lane = 0; lane < kBlock; ++lane) {
        double sum = 0;
        for (int y = 0; y < 3; ++y) {
          sum += kTransform[row][y] * static_cast<double>(kernels[(y * 3 + x) * kBlock + lane]);
        }
        columns[row][x][lane] = sum;
      }
    }
  }
  for (int position = 0; position < kPositions; ++position) {
    const auto& column = columns[position / kPatch];
    const double* factors = kTransform[position % kPatch];
    float* out = to + position * position_stride;
    for (std::int64_t lane = 0; lane < kBlock; ++lane) {
      double sum = 0;
      for (int x = 0; x < 3; ++x) sum += column[x][lane] * factors[x];
      out[lane] = static_cast<float>(sum);
    }
  }
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

WinogradWeights::WinogradWeights(const at::Tensor& weight, bool in_digits, int threads)
    : inputs(blocks(weight.size(0)) * kBlock), output_blocks(blocks(weight.size(1))) {
  const std::int64_t from = weight.size(0);
  const std::int64_t to = weight.size(1);
  const float* kernels = weight.const_data_ptr<float>();
  if (in_digits) {
    digits = DigitWeights::of(kPositions * output_blocks, inputs, threads,
                              [&](std::int64_t block, std::int64_t factor, std::int64_t lane) {
                                const std::int64_t output = block % output_blocks * kBlock + lane;
                                if (factor >= from || output >= to) return 0.0;
                                return turned_transform(kernels + (factor * to + output) * 9,
                                                        block / output_blocks);
                              });
    if (digits) return;
  }
  const std::int64_t per_position = output_blocks * inputs * kBlock;
  values.reserve(kPositions * per_position);
  ThreadTeam::shared().run(output_blocks * inputs, threads, [&](std::int64_t row, int) {
    const std::int64_t input = row % inputs;
    const std::int64_t first = row / inputs * kBlock;
    float block[9 * kBlock] = {};
    for (std::int64_t lane = 0; input < from && lane < std::min(kBlock, to - first); ++lane) {
      const float* kernel = kernels + (input * to + first + lane) * 9;
      for (int tap = 0; tap < 9; ++tap) block[tap * kBlock + lane] = kernel[8 - tap];
    }
    transform_block(block, values.data() + row * kBlock, per_position);
  });
}

WinogradWeights::WinogradWeights(const PackedWeights& weights, std::int64_t outputs, int threads)
    : inputs(blocks(outputs) * kBlock), output_blocks(blocks(weights.inputs)) {
  values.reserve(kPositions * output_blocks * inputs * kBlock);
  refresh(weights, threads);
}

void WinogradWeights::refresh(const PackedWeights& weights, int threads) {
  const std::int64_t per_position = output_blocks * inputs * kBlock;
  // Tile by tile of kBlock by kBlock kernels, which are transposed on the way.
  const std::int64_t across = inputs / kBlock;
  ThreadTeam::shared().run(output_blocks * across, threads, [&](std::int64_t tile, int) {
    const std::int64_t to = tile / across;
    const std::int64_t from = tile % across;
    const std::int64_t lanes = std::min(kBlock, weights.inputs - to * kBlock);
    float block[9 * kBlock] = {};
    for (std::int64_t input = 0; input < kBlock; ++input) {
      for (int tap = 0; tap < 9; ++tap) {
        const float* row = weights.row(from, 8 - tap, to * kBlock) + input;
        for (std::int64_t lane = 0; lane < lanes; ++lane) block[tap * kBlock + lane] = row[lane * kBlock];
      }
      transform_block(block, values.data() + (to * inputs + from * kBlock + input) * kBlock, per_position);
    }
  });
}

const float* WinogradWeights::panel(std::int64_t position, std::int64_t output_block) const {
  return values.data() + (position * output_blocks + output_block) * inputs * kBlock;
}

}  // namespace hire_snn
