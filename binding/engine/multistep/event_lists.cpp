#include "event_lists.h"

#include <bit>
#include <cstring>

#include "engine/error.h"
#include "thread_team.h"

namespace hire_snn {
namespace {

constexpr std::int64_t kWordsPerChunk = kChunk / 64;

/// How many neurons of a 2x2 window fired, for 64 channels: 4 * fours + 2 * twos + ones.
struct Quarters {
  std::uint64_t ones, twos, fours;

  Quarters(std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d)
      : ones(a ^ b ^ c ^ d),
        twos(((a & b) | (c & d) | ((a ^ b) & (c ^ d))) & ~(a & b & c & d)),
        fours(a & b & c & d) {}

  std::uint64_t any() const { return ones | twos | fours; }
  unsigned of(int channel) const {
    return static_cast<unsigned>((ones >> channel & 1) + 2 * (twos >> channel & 1) +
                                 4 * (fours >> channel & 1));
  }
};

/// @param channel in its chunk
MeanEvent mean_event(unsigned channel, unsigned quarters) {
  return {channel * static_cast<unsigned>(kBlock), static_cast<float>(quarters) * 0.25F};
}

}  // namespace

unsigned fired_neurons(float value, bool pooled) {
  const float neurons = pooled ? value * 4 : value;
  for (unsigned number = 0; number <= (pooled ? 4U : 1U); ++number) {
    if (neurons == static_cast<float>(number)) return number;
  }
  throw CodedError("INVALID_ARGUMENT", std::string("Expected ") +
                                           (pooled ? "means of four spikes" : "spikes of 0 and 1") +
                                           " as the layer's input but received " + std::to_string(value));
}

void EventLists::resize(std::int64_t images, std::int64_t pixels, std::int64_t timesteps,
                        std::int64_t channels, bool pooled) {
  pooled_ = pooled;
  pixels_ = pixels;
  timesteps_ = timesteps;
  offsets_per_image_ = chunks(channels) * pixels * timesteps + 1;
  entries_per_image_ =
      channels * pixels * timesteps;  // if all are active; the pages of those that are not stay untouched
  offsets_.reserve(images * offsets_per_image_);
  if (pooled) {
    means_.reserve(images * entries_per_image_);
  } else {
    channels_.reserve(images * entries_per_image_);
  }
}

void EventLists::build(const SpikeMap& spikes, bool pooled, std::int32_t* active, const ReachTask& task,
                       int threads) {
  const std::int64_t height = pooled ? spikes.height / 2 : spikes.height;
  const std::int64_t width = pooled ? spikes.width / 2 : spikes.width;
  const std::int64_t words = spikes.words;
  resize(spikes.images, height * width, spikes.timesteps, words * 64, pooled);

  ThreadTeam::shared().run(spikes.images, threads, [&](std::int64_t image, int) {
    std::uint32_t* offset = offsets_.data() + image * offsets_per_image_;
    std::uint8_t* const channels_of_image = pooled ? nullptr : channels_.data() + image * entries_per_image_;
    MeanEvent* const means = pooled ? means_.data() + image * entries_per_image_ : nullptr;
    std::int32_t* counts = active + image * timesteps_;
    std::fill_n(counts, timesteps_, 0);
    std::uint32_t number = 0;
    std::int64_t reached_by_active = 0;
    std::int64_t reached_by_spikes = 0;
    for (std::int64_t first = 0; first < words; first += kWordsPerChunk) {
      const std::int64_t last = std::min(words, first + kWordsPerChunk);
      for (std::int64_t pixel = 0; pixel < pixels_; ++pixel) {
        const std::int64_t at = pooled ? pixel / width * 2 * spikes.width + pixel % width * 2 : pixel;
        const std::uint64_t* source = spikes.at(image, at);
        const std::int64_t right = timesteps_ * words;
        const std::int64_t below = spikes.width * right;
        const std::uint32_t before_pixel = number;
        std::uint32_t fired = 0;  // behind a pool: neurons of the pixel's entries
        for (std::int64_t t = 0; t < timesteps_; ++t, source += words) {
          const std::uint32_t before = number;
          *offset++ = number;
          for (std::int64_t word = first; word < last; ++word) {
            const auto base = static_cast<unsigned>((word - first) * 64);
            if (!pooled) {
              for (std::uint64_t rest = source[word]; rest != 0; rest &= rest - 1) {
                channels_of_image[number++] =
                    static_cast<std::uint8_t>(base + static_cast<unsigned>(std::countr_zero(rest)));
              }
            } else {
              const Quarters quarters(source[word], source[word + right], source[word + below],
                                      source[word + below + right]);
              for (std::uint64_t rest = quarters.any(); rest != 0; rest &= rest - 1) {
                const int channel = std::countr_zero(rest);
                const unsigned neurons = quarters.of(channel);
                fired += neurons;
                means[number++] = mean_event(base + static_cast<unsigned>(channel), neurons);
              }
            }
          }
          counts[t] += static_cast<std::int32_t>(number - before);
        }
        const std::int64_t reach = task.reach[pixel];
        const std::uint32_t entries = number - before_pixel;
        reached_by_active += reach * entries;
        reached_by_spikes += reach * (pooled ? fired : entries);
      }
    }
    *offset = number;
    task.reached[2 * image] = reached_by_active;
    task.reached[2 * image + 1] = reached_by_spikes;
  });
}

void EventLists::build(const at::Tensor& values, bool pooled) {
  const std::int64_t images = values.size(1);
  const std::int64_t channels = values.size(2);
  resize(images, values.size(3) * values.size(4), values.size(0), blocks(channels) * kBlock, pooled);
  const at::Tensor contiguous = values.contiguous();
  const float* from = contiguous.const_data_ptr<float>();
  for (std::int64_t image = 0; image < images; ++image) {
    std::uint32_t* offset = offsets_.data() + image * offsets_per_image_;
    std::uint8_t* const channels_of_image = pooled ? nullptr : channels_.data() + image * entries_per_image_;
    MeanEvent* const means = pooled ? means_.data() + image * entries_per_image_ : nullptr;
    std::uint32_t number = 0;
    for (std::int64_t first = 0; first < channels; first += kChunk) {
      const std::int64_t last = std::min(channels, first + kChunk);
      for (std::int64_t pixel = 0; pixel < pixels_; ++pixel) {
        for (std::int64_t t = 0; t < timesteps_; ++t) {
          *offset++ = number;
          for (std::int64_t channel = first; channel < last; ++channel) {
            const float value = from[((t * images + image) * channels + channel) * pixels_ + pixel];
            if (value == 0) continue;
            const unsigned neurons = fired_neurons(value, pooled);
            const auto index = static_cast<unsigned>(channel - first);
            if (pooled) {
              means[number++] = mean_event(index, neurons);
            } else {
              channels_of_image[number++] = static_cast<std::uint8_t>(index);
            }
          }
        }
      }
    }
    *offset = number;
  }
}

void EventLists::describe(EventTask& task) const {
  task.input_pixels = pixels_;
  task.timesteps = timesteps_;
  task.offsets = offsets_.data();
  task.offsets_per_image = offsets_per_image_;
  if (pooled_) {
    task.entries = means_.data();
  } else {
    task.entries = channels_.data();
  }
  task.entries_per_image = entries_per_image_;
}

void EventLists::expand(std::int64_t image, std::int64_t block, std::int64_t pixel, std::int64_t timestep,
                        float* values) const {
  std::fill_n(values, kBlock, 0.0F);
  const std::int64_t chunk = block * kBlock / kChunk;
  const auto first = static_cast<unsigned>(block * kBlock % kChunk);
  const std::uint32_t* offset =
      offsets_.data() + image * offsets_per_image_ + (chunk * pixels_ + pixel) * timesteps_ + timestep;
  const auto set = [&](unsigned channel, float value) {
    if (channel - first < kBlock) values[channel - first] = value;
  };
  if (pooled_) {
    const MeanEvent* const means = means_.data() + image * entries_per_image_;
    for (std::uint32_t i = offset[0]; i < offset[1]; ++i) set(means[i].row / kBlock, means[i].mean);
  } else {
    const std::uint8_t* const channels = channels_.data() + image * entries_per_image_;
    for (std::uint32_t i = offset[0]; i < offset[1]; ++i) set(channels[i], 1.0F);
  }
}

}  // namespace hire_snn
