#include "input_levels.h"

#include <algorithm>
#include <cstring>
#include <numeric>

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
    std::uint8_t* const to = levels_.data() + start(image);
    std::memset(to, 0, static_cast<std::size_t>(starts_[static_cast<std::size_t>(image) + 1] - start(image)));
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
    std::int64_t before = 0;
    for (std::int64_t y = 0; y < height_; ++y) {
      for (std::int64_t x = 0; x < width_; ++x) {
        const std::int64_t at = pooled ? 2 * y * spikes.width + 2 * x : y * spikes.width + x;
        task.sources[0] = spikes.at(image, at) + first_step(image) * spikes.words;
        for (int source = 1; source < task.source_count; ++source) {
          task.sources[source] = task.sources[0] + (source % 2 + source / 2 * spikes.width) * pixel_words;
        }
        task.levels = to + pixel(y + margin_, x + margin_) * pixel_bytes(image);
        const std::int64_t fired_here = kernels.read_levels(task);
        const std::int64_t active_now = std::accumulate(counts, counts + timesteps_, std::int64_t{0});
        reached_by_active += reach.reach[y * width_ + x] * (active_now - before);
        reached_by_spikes += reach.reach[y * width_ + x] * fired_here;
        before = active_now;
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
            levels_.data()[start(image) + pixel(y + margin_, x + margin_) * pixel_bytes(image) +
                           t * row_bytes_ + channel] =
                static_cast<std::uint8_t>(fired_neurons(*value++, synapse.pooled));
          }
        }
      }
    }
  }
}

}  // namespace hire_snn
