#include "winograd.h"

#include <algorithm>

#include "thread_team.h"

namespace hire_snn {
namespace {

/// Rows whose distance is a multiple of 4 KB would share a few lines of the first-level cache.
constexpr std::int64_t kRowPadding = 80;

/// Positions neither, whose blocks are written and read one after the other: each has the lines behind those
/// of the one before.
std::int64_t position_stride(std::int64_t values) {
  constexpr std::int64_t kPage = 4096 / sizeof(float);
  return (values + kPage - 1) / kPage * kPage + kBlock;
}

/// For inputs and products together. Smaller, and the weights are read too often; larger, and the buffers
/// leave the cache: the best size grows with the weights.
std::int64_t buffer_bytes(const WinogradWeights& weights) {
  constexpr std::int64_t kLeast = 12 << 20, kMost = 60 << 20;
  return std::clamp(5 * weights.bytes() / 2, kLeast, kMost);
}

std::int64_t row_bytes(const WinogradWeights& weights) {
  return kPositions * (weights.inputs + weights.output_blocks * kBlock + 2 * kRowPadding) *
         static_cast<std::int64_t>(sizeof(float));
}

}  // namespace

std::int64_t WinogradProducts::rows_that_fit(const WinogradWeights& weights) {
  return std::max<std::int64_t>(1, buffer_bytes(weights) / row_bytes(weights));
}

void WinogradProducts::reserve(const WinogradWeights& weights, std::int64_t rows) {
  input_stride_ = weights.inputs + kRowPadding;
  input_position_stride_ = position_stride(rows * input_stride_);
  product_stride_ = weights.output_blocks * kBlock + kRowPadding;
  product_position_stride_ = position_stride(rows * product_stride_);
  rows_ = rows;
  factors_ = weights.inputs;
  if (weights.digits) {
    digits_.reserve(kPositions * rows, weights.inputs);
  } else {
    inputs_.reserve(kPositions * input_position_stride_);
  }
  products_.reserve(kPositions * product_position_stride_);
}

void WinogradProducts::put(const Kernels& kernels, std::int64_t row, const float* values) {
  for (std::int64_t position = 0; position < kPositions; ++position) {
    digits_.put(kernels, position * rows_ + row, values + position * factors_);
  }
}

void WinogradProducts::multiply(const Kernels& kernels, const WinogradWeights& weights, std::int64_t rows,
                                int threads) {
  // A panel of weights stays in the second-level cache while all rows pass by it.
  ThreadTeam::shared().run(kPositions * weights.output_blocks, threads, [&](std::int64_t index, int) {
    const std::int64_t position = index / weights.output_blocks;
    const std::int64_t block = index % weights.output_blocks;
    float* out = products_.data() + position * product_position_stride_ + block * kBlock;
    if (weights.digits) {
      DigitTask task;
      digits_.describe(task, position * rows_, rows);
      task.weights = weights.digits->block(index);
      task.column_scales = weights.digits->scales(index);
      task.results = out;
      task.result_stride = product_stride_;
      return kernels.multiply_digits(task);
    }
    const float* panel = weights.panel(position, block);
    const float* in = inputs_.data() + position * input_position_stride_;
    for (std::int64_t first = 0; first < rows; first += kRows) {
      const int count = static_cast<int>(std::min<std::int64_t>(kRows, rows - first));
      const float* a[kRows];
      float* c[kRows];
      for (int r = 0; r < count; ++r) {
        a[r] = in + (first + r) * input_stride_;
        c[r] = out + (first + r) * product_stride_;
      }
      kernels.multiply_rows(a, c, panel, weights.inputs, count, /*accumulate=*/false);
    }
  });
}

WinogradTiles::WinogradTiles(std::int64_t height, std::int64_t width)
    : height_(height),
      width_(width),
      down_((height + kTile - 1) / kTile),
      across_((width + kTile - 1) / kTile) {}

void WinogradTiles::patch(std::int64_t tile, std::int64_t* pixels) const {
  const std::int64_t top = tile / across_ * kTile - 1;
  const std::int64_t left = tile % across_ * kTile - 1;
  for (int i = 0; i < kPositions; ++i) pixels[i] = pixel(top + i / kPatch, left + i % kPatch);
}

void WinogradTiles::outputs(std::int64_t tile, std::int64_t* pixels) const {
  const std::int64_t top = tile / across_ * kTile;
  const std::int64_t left = tile % across_ * kTile;
  for (int i = 0; i < kTile * kTile; ++i) pixels[i] = pixel(top + i / kTile, left + i % kTile);
}

}  // namespace hire_snn
