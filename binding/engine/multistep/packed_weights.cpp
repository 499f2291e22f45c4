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

/// One position of G g G^T.
/// @param turned whether the kernel is turned by half a circle: the transposed convolution's
double transform(const float* kernel, std::int64_t position, bool turned) {
  const double* rows = kTransform[position / kPatch];
  const double* columns = kTransform[position % kPatch];
  double sum = 0;
  for (int x = 0; x < 3; ++x) {
    double column = 0;
    for (int y = 0; y < 3; ++y) {
      column += rows[y] * static_cast<double>(kernel[turned ? 8 - (y * 3 + x) : y * 3 + x]);
    }
    sum += column * columns[x];
  }
  return sum;
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

WinogradWeights::WinogradWeights(const at::Tensor& weight, Direction direction, bool in_digits, int threads) {
  const bool forward = direction == Direction::kForward;
  const std::int64_t from = weight.size(forward ? 1 : 0);
  const std::int64_t to = weight.size(forward ? 0 : 1);
  inputs = blocks(from) * kBlock;
  output_blocks = blocks(to);
  const std::int64_t per_position = output_blocks * inputs * kBlock;
  const float* kernels = weight.const_data_ptr<float>();
  const auto value = [&](std::int64_t position, std::int64_t input, std::int64_t output) {
    if (input >= from || output >= to) return 0.0;
    return transform(kernels + (forward ? output * from + input : input * to + output) * 9, position,
                     /*turned=*/!forward);
  };
  if (in_digits) {
    digits =
        DigitWeights::of(kPositions * output_blocks, inputs, threads,
                         [&](std::int64_t block, std::int64_t factor, std::int64_t lane) {
                           return value(block / output_blocks, factor, block % output_blocks * kBlock + lane);
                         });
    if (digits) return;
  }
  values.reserve(kPositions * per_position);
  ThreadTeam::shared().run(output_blocks * inputs, threads, [&](std::int64_t row, int) {
    for (std::int64_t lane = 0; lane < kBlock; ++lane) {
      for (int position = 0; position < kPositions; ++position) {
        values.data()[position * per_position + row * kBlock + lane] =
            static_cast<float>(value(position, row % inputs, row / inputs * kBlock + lane));
      }
    }
  });
}

const float* WinogradWeights::panel(std::int64_t position, std::int64_t output_block) const {
  return values.data() + (position * output_blocks + output_block) * inputs * kBlock;
}

}  // namespace hire_snn
