#include "input_levels.h"

#include <algorithm>
#include <cstring>

#include "thread_team.h"

namespace hire_snn {

void InputLevels::resize(const Synapse& synapse, std::int64_t timesteps) {
  linear_ = synapse.levels->linear;
  kernel_ = linear_ ? 1 : synapse.levels->kernel;
  margin_ = (kernel_ - 1) / 2;
  height_ = synapse.input[1];
  width_ = synapse.input[2];
  channels_ = synapse.input_blocks() * kBlock;
  timesteps_ = timesteps;
  // Rows whose distance is a multiple of 4 KB would share a few lines of the first-level cache.
  row_bytes_ = linear_ ? height_ * width_ * channels_ + kMatrixFactors : channels_;
  const std::int64_t rows_per_step = linear_ ? 1 : (height_ + 2 * margin_) * (width_ + 2 * margin_);
  starts_.assign(1, 0);
  for (std::size_t image = 0; image < first_steps_.size(); ++image) {
    starts_.push_back(starts_.back() + steps(static_cast<std::int64_t>(image)) * rows_per_step * row_bytes_);
  }
  // Tiles of rows read beyond their last one.
  const std::int64_t beyond = kMatrixRows * row_bytes_;
  levels_.reserve(starts_.back() + beyond);
  std::memset(levels_.data() + starts_.back(), 0, static_cast<std::size_t>(beyond));
}

void InputLevels::clear_margin(std::int64_t image) {
  if (margin_ == 0) return;
  const auto clear = [&](std::int64_t y, std::int64_t x, std::int64_t pixels) {
    std::memset(at_pixel(image, y, x), 0, static_cast<std::size_t>(pixels * pixel_bytes(image)));
  };
  for (std::int64_t y = -margin_; y < height_ + margin_; ++y) {
    if (y < 0 || y >= height_) {
      clear(y, -margin_, width_ + 2 * margin_);
    } else {
      clear(y, -margin_, margin_);
      clear(y, width_, margin_);
    }
  }
}

void InputLevels::taps(std::int64_t image, std::vector<std::int64_t>& offsets) const {
  offsets.clear();
  if (linear_) return offsets.push_back(0);
  for (std::int64_t i = 0; i < kernel_ * kernel_; ++i) {
    offsets.push_back(pixel(i / kernel_, i % kernel_) * pixel_bytes(image));
  }
}

void InputLevels::build(const Synapse& synapse, const SpikeMap& spikes, const std::int32_t* fired,
                        std::int32_t* active, const ReachTask& reach, const Kernels& kernels, int threads) {
  first_steps_.assign(static_cast<std::size_t>(spikes.images), spikes.timesteps);
  for (std::int64_t image = 0; image < spikes.images; ++image) {
    const std::int32_t* counts = fired + image * spikes.timesteps;
    first_steps_[static_cast<std::size_t>(image)] =
        std::find_if(counts, counts + spikes.timesteps, [](std::int32_t count) { return count != 0; }) -
        counts;
  }
  resize(synapse, spikes.timesteps);
  const bool pooled = synapse.pooled;
  const std::int64_t pixel_words = timesteps_ * spikes.words;

  ThreadTeam::shared().run(spikes.images, threads, [&](std::int64_t image, int) {
    clear_margin(image);
    std::int32_t* counts = active + image * timesteps_;
    std::fill_n(counts, timesteps_, 0);
    std::int64_t reached_by_active = 0;
    std::int64_t reached_by_spikes = 0;
    SpikeTask task;
    task.source_count = pooled ? 4 : 1;
    task.timesteps = steps(image);
    task.words = spikes.words;
    task.step_bytes = row_bytes_;
    task.active = counts + first_step(image);
    for (std::int64_t y = 0; y < height_; ++y) {
      for (std::int64_t x = 0; x < width_; ++x) {
        const std::int64_t at = pooled ? 2 * y * spikes.width + 2 * x : y * spikes.width + x;
        task.sources[0] = spikes.at(image, at) + first_step(image) * spikes.words;
        for (int source = 1; source < task.source_count; ++source) {
          task.sources[source] = task.sources[0] + (source % 2 + source / 2 * spikes.width) * pixel_words;
        }
        task.levels = at_pixel(image, y, x);
        const SpikeCounts found = kernels.read_levels(task);
        reached_by_active += reach.reach[y * width_ + x] * found.active;
        reached_by_spikes += reach.reach[y * width_ + x] * found.fired;
      }
    }
    reach.reached[2 * image] = reached_by_active;
    reach.reached[2 * image + 1] = reached_by_spikes;
  });
}

void InputLevels::build(const Synapse& synapse, const at::Tensor& values) {
  const std::int64_t images = values.size(1);
  first_steps_.assign(static_cast<std::size_t>(images), 0);
  resize(synapse, values.size(0));
  std::memset(levels_.data(), 0, static_cast<std::size_t>(starts_.back()));
  const at::Tensor contiguous = values.contiguous();
  const float* value = contiguous.const_data_ptr<float>();
  for (std::int64_t t = 0; t < timesteps_; ++t) {
    for (std::int64_t image = 0; image < images; ++image) {
      for (std::int64_t channel = 0; channel < values.size(2); ++channel) {
        for (std::int64_t y = 0; y < height_; ++y) {
          for (std::int64_t x = 0; x < width_; ++x) {
            at_pixel(image, y, x)[t * row_bytes_ + channel] =
                static_cast<std::uint8_t>(fired_neurons(*value++, synapse.pooled));
          }
        }
      }
    }
  }
}

}  // namespace hire_snn
