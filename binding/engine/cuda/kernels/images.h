#pragma once

// Both ends of a pass: pixels and logits. In float32 throughout; there is little to do here.

#include "neurons.h"

namespace hire_snn::cuda {

/// Grid: [output pixels x columns, in blocks][images].
HIRE_SNN_DEVICE void weigh_images(const ImageCurrentsParameters& p) {
  const int at = block_x() * kThreads + thread_index();
  if (at >= p.output_pixels * p.columns) return;
  const int column = at % p.columns;
  const int pixel = at / p.columns;
  const Offset image = block_y();
  const float* values = p.images + image * p.channels * p.input_pixels;
  float sum = 0;
  for (int tap = 0; tap < p.taps; ++tap) {
    const int source = p.sources[tap * p.output_pixels + pixel];
    if (source < 0) continue;
    for (int c = 0; c < p.channels; ++c) {
      sum = fused(values[static_cast<Offset>(c) * p.input_pixels + source],
                  p.weights[(static_cast<Offset>(tap) * p.channels + c) * p.columns + column], sum);
    }
  }
  p.currents[image * p.output_pixels * p.columns + at] = sum;
}

/// A warp for each input pixel. Grid: [input pixels, in blocks of warps][images].
HIRE_SNN_DEVICE void differentiate_images(const ImageGradientParameters& p) {
  const int pixel = block_x() * (kThreads / kWarp) + thread_index() / kWarp;
  const int lane = thread_index() % kWarp;
  if (pixel >= p.input_pixels) return;
  const Offset image = block_y();
  for (int c = 0; c < p.channels; ++c) {
    float sum = 0;
    for (int tap = 0; tap < p.taps; ++tap) {
      const int target = p.targets[tap * p.input_pixels + pixel];
      if (target < 0) continue;
      const float* gradient = p.time_sums + (image * p.output_pixels + target) * p.columns;
      const float* weights = p.weights + (static_cast<Offset>(tap) * p.channels + c) * p.columns;
      for (int column = lane; column < p.columns; column += kWarp) {
        sum = fused(gradient[column], weights[column], sum);
      }
    }
    for (int mask = kWarp / 2; mask > 0; mask /= 2) sum += shuffle_xor(sum, mask);
    if (lane == 0) p.gradient[(image * p.channels + c) * p.input_pixels + pixel] = sum / p.std[c];
  }
}

/// What gradients by logits, at most 1, are multiplied with before they are split.
constexpr float kLogitScale = 16384.0f;

/// A warp for each image. Grid: [images, in blocks of warps].
HIRE_SNN_DEVICE void add_logits(const LogitsParameters& p) {
  const int image = block_x() * (kThreads / kWarp) + thread_index() / kWarp;
  const int lane = thread_index() % kWarp;
  if (image >= p.images) return;
  float* logits = p.logits + static_cast<Offset>(image) * p.classes;
  const float* sums = p.sums + static_cast<Offset>(image) * p.timesteps * p.columns;
  float largest = float_of(0xFF800000u);
  for (int j = lane; j < p.classes; j += kWarp) {
    float logit = 0;
    for (int t = 0; t < p.timesteps; ++t) logit += sums[static_cast<Offset>(t) * p.columns + j];
    logits[j] = logit;
    largest = logit > largest ? logit : largest;
  }
  if (!p.labels) return;
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    const float other = shuffle_xor(largest, mask);
    largest = other > largest ? other : largest;
  }
  double total = 0;
  for (int j = lane; j < p.classes; j += kWarp) total += static_cast<double>(exp_of(logits[j] - largest));
  for (int mask = kWarp / 2; mask > 0; mask /= 2) total += shuffle_xor(total, mask);
  const float log_total = static_cast<float>(log_of(total));
  const int label = p.labels[image];
  for (int quad = lane; quad < p.columns / 4; quad += kWarp) {
    float values[4];
    HIRE_SNN_UNROLL
    for (int i = 0; i < 4; ++i) {
      const int j = quad * 4 + i;
      float value = 0;
      if (j < p.classes) {
        // Another lane's logit: summed again rather than waited for.
        float logit = 0;
        for (int t = 0; t < p.timesteps; ++t) logit += sums[static_cast<Offset>(t) * p.columns + j];
        value = exp_of(logit - largest - log_total) - (j == label ? 1.0f : 0.0f);
        if (j == label) p.losses[image] = -(logit - largest - log_total);
      }
      values[i] = value * kLogitScale;
    }
    Fragment fragment;
    split_halves(values[0], values[1], fragment.high[0], fragment.low[0]);
    split_halves(values[2], values[3], fragment.high[1], fragment.low[1]);
    p.gradient[static_cast<Offset>(image) * (p.columns / 4) + quad] = fragment;
  }
  if (lane == 0) p.image_scales[image] = 1.0f / kLogitScale;
}

}  // namespace hire_snn::cuda
