#include "event_lists.h"

#include <bit>
#include <cstring>

#include "engine/error.h"
#include "thread_team.h"

namespace hire_snn {
namespace {

constexpr std::int64_t kWordsPerChunk = kChunk / 64;

/// How many neurons fired, of a pixel or of the 2x2 behind a pool, for 64 channels: 4 * fours + 2 * twos +
/// ones.
struct Quarters {
  std::uint64_t ones = 0, twos = 0, fours = 0;

  static Quarters of_pixel(std::uint64_t spikes) { return {spikes, 0, 0}; }
  static Quarters of_pool(std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d) {
    return {a ^ b ^ c ^ d, ((a & b) | (c & d) | ((a ^ b) & (c ^ d))) & ~(a & b & c & d), a & b & c & d};
  }

  std::uint64_t any() const { return ones | twos | fours; }
  /// Channels of which as many fired as of the other's, and not none.
  std::uint64_t same(const Quarters& other) const {
    return any() & ~((ones ^ other.ones) | (twos ^ other.twos) | (fours ^ other.fours));
  }
  unsigned of(int channel) const {
    return static_cast<unsigned>((ones >> channel & 1) + 2 * (twos >> channel & 1) +
                                 4 * (fours >> channel & 1));
  }
  void set(unsigned channel, unsigned neurons) {
    ones |= static_cast<std::uint64_t>(neurons & 1) << channel;
    twos |= static_cast<std::uint64_t>(neurons >> 1 & 1) << channel;
    fours |= static_cast<std::uint64_t>(neurons >> 2) << channel;
  }
};

/// A chunk of channels at two time steps.
using QuartersOfPair = Quarters[2][kWordsPerChunk];

/// @param channel in its chunk
MeanEvent mean_event(unsigned channel, unsigned quarters) {
  return {channel * static_cast<unsigned>(kBlock), static_cast<float>(quarters) * 0.25F};
}

}  // namespace

/// Writes the lists of one image, in the order of the offsets.
struct EventLists::Writer {
  std::uint32_t* offset;
  std::uint8_t* channels;  // or
  MeanEvent* means;
  std::uint32_t number = 0;  // of entries

  /// What was found at a time step.
  struct Found {
    std::int32_t active = 0;
    std::int32_t fired = 0;
  };

  /// The three lists of a pair.
  void put(const QuartersOfPair& pair, Found (&found)[2]) {
    for (int list = 0; list < kPairLists; ++list) {
      *offset++ = number;
      const std::uint32_t before = number;
      std::int32_t fired = 0;
      for (std::int64_t word = 0; word < kWordsPerChunk; ++word) {
        const Quarters& source = pair[list == 2 ? 1 : 0][word];
        const std::uint64_t both = source.same(pair[list == 2 ? 0 : 1][word]);
        const auto base = static_cast<unsigned>(word * 64);
        for (std::uint64_t rest = list == 0 ? both : source.any() & ~both; rest != 0; rest &= rest - 1) {
          const int channel = std::countr_zero(rest);
          if (channels != nullptr) {
            channels[number++] = static_cast<std::uint8_t>(base + static_cast<unsigned>(channel));
          } else {
            const unsigned neurons = source.of(channel);
            fired += static_cast<std::int32_t>(neurons);
            means[number++] = mean_event(base + static_cast<unsigned>(channel), neurons);
          }
        }
      }
      const auto entries = static_cast<std::int32_t>(number - before);
      for (int step = 0; step < 2; ++step) {
        if (list != 0 && list != step + 1) continue;
        found[step].active += entries;
        found[step].fired += channels != nullptr ? entries : fired;
      }
    }
  }

  void end() { *offset = number; }
};

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
  offsets_per_image_ = chunks(channels) * pixels * step_pairs(timesteps) * kPairLists + 1;
  entries_per_image_ =
      channels * pixels * timesteps;  // if all are active; the pages of those that are not stay untouched
  offsets_.reserve(images * offsets_per_image_);
  if (pooled) {
    means_.reserve(images * entries_per_image_);
  } else {
    channels_.reserve(images * entries_per_image_);
  }
}

EventLists::Writer EventLists::writer(std::int64_t image) {
  return {offsets_.data() + image * offsets_per_image_,
          pooled_ ? nullptr : channels_.data() + image * entries_per_image_,
          pooled_ ? means_.data() + image * entries_per_image_ : nullptr};
}

void EventLists::build(const SpikeMap& spikes, bool pooled, std::int32_t* active, const ReachTask& task,
                       int threads) {
  const std::int64_t height = pooled ? spikes.height / 2 : spikes.height;
  const std::int64_t width = pooled ? spikes.width / 2 : spikes.width;
  const std::int64_t words = spikes.words;
  const std::int64_t right = spikes.timesteps * words;
  const std::int64_t below = spikes.width * right;
  resize(spikes.images, height * width, spikes.timesteps, words * 64, pooled);

  ThreadTeam::shared().run(spikes.images, threads, [&](std::int64_t image, int) {
    Writer writer = this->writer(image);
    std::int32_t* counts = active + image * timesteps_;
    std::fill_n(counts, timesteps_, 0);
    std::int64_t reached_by_active = 0;
    std::int64_t reached_by_spikes = 0;
    for (std::int64_t first = 0; first < words; first += kWordsPerChunk) {
      const std::int64_t last = std::min(words, first + kWordsPerChunk);
      for (std::int64_t pixel = 0; pixel < pixels_; ++pixel) {
        const std::int64_t at = pooled ? pixel / width * 2 * spikes.width + pixel % width * 2 : pixel;
        const std::uint64_t* source = spikes.at(image, at);
        for (std::int64_t t = 0; t < timesteps_; t += 2) {
          QuartersOfPair pair;
          for (std::int64_t step = 0; step < 2 && t + step < timesteps_; ++step, source += words) {
            for (std::int64_t word = first; word < last; ++word) {
              pair[step][word - first] =
                  pooled ? Quarters::of_pool(source[word], source[word + right], source[word + below],
                                             source[word + below + right])
                         : Quarters::of_pixel(source[word]);
            }
          }
          Writer::Found found[2];
          writer.put(pair, found);
          for (std::int64_t step = 0; step < 2 && t + step < timesteps_; ++step) {
            counts[t + step] += found[step].active;
            reached_by_active += static_cast<std::int64_t>(task.reach[pixel]) * found[step].active;
            reached_by_spikes += static_cast<std::int64_t>(task.reach[pixel]) * found[step].fired;
          }
        }
      }
    }
    writer.end();
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
    Writer writer = this->writer(image);
    for (std::int64_t first = 0; first < channels; first += kChunk) {
      const std::int64_t last = std::min(channels, first + kChunk);
      for (std::int64_t pixel = 0; pixel < pixels_; ++pixel) {
        for (std::int64_t t = 0; t < timesteps_; t += 2) {
          QuartersOfPair pair;
          for (std::int64_t step = 0; step < 2 && t + step < timesteps_; ++step) {
            for (std::int64_t channel = first; channel < last; ++channel) {
              const float value =
                  from[(((t + step) * images + image) * channels + channel) * pixels_ + pixel];
              const auto place = static_cast<unsigned>(channel - first);
              pair[step][place / 64].set(place % 64, fired_neurons(value, pooled));
            }
          }
          Writer::Found found[2];
          writer.put(pair, found);
        }
      }
    }
    writer.end();
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
      offsets_.data() + image * offsets_per_image_ +
      ((chunk * pixels_ + pixel) * step_pairs(timesteps_) + timestep / 2) * kPairLists;
  const auto set = [&](unsigned channel, float value) {
    if (channel - first < kBlock) values[channel - first] = value;
  };
  for (const std::int64_t list : {std::int64_t{0}, timestep % 2 + 1}) {
    for (std::uint32_t i = offset[list]; i < offset[list + 1]; ++i) {
      if (pooled_) {
        const MeanEvent& event = means_.data()[image * entries_per_image_ + i];
        set(event.row / kBlock, event.mean);
      } else {
        set(channels_.data()[image * entries_per_image_ + i], 1.0F);
      }
    }
  }
}

}  // namespace hire_snn
