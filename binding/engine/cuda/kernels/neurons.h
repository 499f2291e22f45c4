#pragma once

#include "engine/neuron_step.h"

// Neurons, carried through all time steps in registers: eight of one pixel to a thread.

namespace hire_snn::cuda {

/// Adds up over the warp; every thread gets the sum.
HIRE_SNN_DEVICE int warp_sum(int value) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) value += shuffle_xor(value, mask);
  return value;
}

struct alignas(16) Quad {
  float values[4];
};

/// Eight numbers that lie together.
struct Eight {
  Quad quads[2];
  HIRE_SNN_DEVICE float& operator[](int i) { return quads[i / 4].values[i % 4]; }
  HIRE_SNN_DEVICE float operator[](int i) const { return quads[i / 4].values[i % 4]; }
};

HIRE_SNN_DEVICE Eight load_eight(const float* from) {
  const Quad* quads = reinterpret_cast<const Quad*>(from);
  return {{quads[0], quads[1]}};
}

HIRE_SNN_DEVICE void store_eight(float* to, const Eight& values) {
  Quad* quads = reinterpret_cast<Quad*>(to);
  quads[0] = values.quads[0];
  quads[1] = values.quads[1];
}

/// Grid: [words of an image at one time step, in blocks][images].
HIRE_SNN_DEVICE void fire_neurons(const FireParameters& p) {
  const int words = p.pixels * (p.channels / kLevelsPerWord);
  const int word = block_x() * kThreads + thread_index();
  const bool exists = word < words;
  const Offset image = block_y();
  const Offset step = static_cast<Offset>(words) * kLevelsPerWord;
  const Offset neuron = static_cast<Offset>(word) * kLevelsPerWord;
  Eight potential = {};
  for (int t = 0; t < p.timesteps; ++t) {
    Word levels = 0;
    if (exists) {
      const Offset at = (image * p.timesteps + t) * step + neuron;
      Eight values = load_eight(p.currents + (p.constant ? image * step + neuron : at));
      HIRE_SNN_UNROLL
      for (int i = 0; i < kLevelsPerWord; ++i) {
        const float membrane = integrate(p.leak, potential[i], values[i]);
        const bool fires = membrane >= p.least_firing;
        values[i] = membrane;
        potential[i] = reset(membrane, p.threshold, fires);
        levels |= static_cast<Word>(fires) << (4 * i);
      }
      if (p.membranes) store_eight(p.membranes + at, values);
      p.levels[(image * p.timesteps + t) * words + word] = levels;
    }
    const int spikes = warp_sum(count_bits(levels));
    if (thread_index() % kWarp == 0 && spikes > 0) atomic_add(p.counts + image * p.timesteps + t, spikes);
  }
}

/// Grid: [words of the means of an item, in blocks][items].
HIRE_SNN_DEVICE void pool_levels(const PoolParameters& p) {
  const int width = p.width / 2;
  const int words = width * (p.height / 2) * p.words;
  const int at = block_x() * kThreads + thread_index();
  Word means = 0;
  if (at < words) {
    const int pixel = at / p.words;
    const int row = p.width * p.words;
    const Word* from = p.levels + static_cast<Offset>(block_y()) * p.height * row + pixel / width * 2 * row +
                       pixel % width * 2 * p.words + at % p.words;
    // At most four in each of the four-bit fields: none runs over.
    means = from[0] + from[p.words] + from[row] + from[row + p.words];
    p.means[static_cast<Offset>(block_y()) * words + at] = means;
  }
  const int active = warp_sum(count_bits((means | means >> 1 | means >> 2) & 0x11111111u));
  if (thread_index() % kWarp == 0 && active > 0) atomic_add(p.counts + block_y(), active);
}

/// Grid: [words of an image at one time step, in blocks][images].
HIRE_SNN_DEVICE void add_reached(const ReachParameters& p) {
  const int words = p.pixels * p.words;
  const int word = block_x() * kThreads + thread_index();
  int active = 0;
  int spikes = 0;
  if (word < words) {
    for (int t = 0; t < p.timesteps; ++t) {
      const Word levels = p.levels[(static_cast<Offset>(block_y()) * p.timesteps + t) * words + word];
      active += count_bits((levels | levels >> 1 | levels >> 2) & 0x11111111u);
      spikes += count_bits(levels & 0x11111111u) + 2 * count_bits(levels & 0x22222222u) +
                4 * count_bits(levels & 0x44444444u);
    }
    const int reach = p.reach[word / p.words];
    active *= reach;
    spikes *= reach;
  }
  active = warp_sum(active);
  spikes = warp_sum(spikes);
  if (thread_index() % kWarp != 0 || active == 0) return;
  atomic_add(p.reached + 2 * block_y(), active);
  atomic_add(p.reached + 2 * block_y() + 1, spikes);
}

/// The power of two that brings numbers up to `bound` to at most 2^14, and its inverse.
HIRE_SNN_DEVICE float scale_up(float bound, float& inverse) {
  // The exponent that stands in the bits: bound < 2^(exponent - 126). Where there is nothing to scale, and
  // for infinities and NaN, which pass through: 1.
  const int exponent = static_cast<int>(bits_of(bound) >> 23 & 255u);
  if (exponent == 0 || exponent == 255) return inverse = 1.0f;
  int shift = 14 - (exponent - 126);
  shift = shift > 126 ? 126 : shift;
  inverse = float_of(static_cast<Word>(127 - shift) << 23);
  return float_of(static_cast<Word>(127 + shift) << 23);
}

/// Two numbers each as the sum of two in half precision.
HIRE_SNN_DEVICE void split_halves(float first, float second, Word& high, Word& low) {
  high = pack_halves(first, second);
  low = pack_halves(first - first_half(high), second - second_half(high));
}

/// Eight neighbouring channels, the first a multiple of eight, as fragments of split gradients.
HIRE_SNN_DEVICE void store_split(Fragment* to, const Eight& values) {
  HIRE_SNN_UNROLL
  for (int i = 0; i < 2; ++i) {
    const float* quad = values.quads[i].values;
    Fragment fragment;
    split_halves(quad[0], quad[1], fragment.high[0], fragment.low[0]);
    split_halves(quad[2], quad[3], fragment.high[1], fragment.low[1]);
    to[i] = fragment;
  }
}

/// Grid: [eights of channels of an image at one time step, in blocks][images].
template <SurrogateShape shape, SurrogateScale surrogate_scale>
HIRE_SNN_DEVICE void differentiate_neurons(const NeuronGradientParameters& p) {
  const int pixels = p.width * p.height;
  const int eights = p.channels / 8;
  const int place = block_x() * kThreads + thread_index();
  if (place >= pixels * eights) return;
  const int pixel = place / eights;
  const int channel = place % eights * 8;
  const Offset image = block_y();

  const int pooled_width = p.width / 2;
  const int pooled_pixels = pooled_width * (p.height / 2);
  const int pooled_x = pixel % p.width / 2;
  const int pooled_y = pixel / p.width / 2;
  const bool in_pool = pooled_x < pooled_width && pooled_y < p.height / 2;
  const int pooled_pixel = pooled_y * pooled_width + pooled_x;

  float bound = 0;
  HIRE_SNN_UNROLL
  for (int i = 0; i < kContributions; ++i) {
    if (i >= p.contribution_count) break;
    const float largest = float_of(p.contributions[i].largest[image]);
    bound += p.contributions[i].pooled ? 0.25f * largest : largest;
  }
  float inverse;
  const float scale = scale_up(bound * p.gain, inverse);
  if (place == 0) p.image_scales[image] = inverse;

  constexpr bool relative = surrogate_scale == SurrogateScale::kThreshold;
  Eight later = {};
  Eight sums = {};
  for (int t = p.timesteps - 1; t >= 0; --t) {
    const Offset item = image * p.timesteps + t;
    Eight gradient = {};
    HIRE_SNN_UNROLL
    for (int i = 0; i < kContributions; ++i) {
      const Contribution& from = p.contributions[i];
      if (i >= p.contribution_count || (from.pooled && !in_pool)) continue;
      const Offset row = (from.constant ? image : item) * (from.pooled ? pooled_pixels : pixels) +
                         (from.pooled ? pooled_pixel : pixel);
      const Eight values = load_eight(from.values + row * p.channels + channel);
      const float share = from.pooled ? 0.25f : 1.0f;
      HIRE_SNN_UNROLL
      for (int j = 0; j < 8; ++j) gradient[j] += values[j] * share;
    }
    float* membranes = p.membranes + (item * pixels + pixel) * p.channels + channel;
    const Eight membrane = load_eight(membranes);
    Eight scaled;
    HIRE_SNN_UNROLL
    for (int j = 0; j < 8; ++j) {
      later[j] =
          current_gradient<shape>(gradient[j], membrane[j], p.threshold, p.leak, p.a, relative, later[j]);
      sums[j] += later[j];
      scaled[j] = later[j] * scale;
    }
    // A chunk's fragments take the memory of its numbers.
    if (!p.time_sums) store_split(reinterpret_cast<Fragment*>(membranes), scaled);
  }
  if (p.time_sums) store_eight(p.time_sums + (image * pixels + pixel) * p.channels + channel, sums);
}

}  // namespace hire_snn::cuda
