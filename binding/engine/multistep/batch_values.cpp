#include "batch_values.h"

#include <algorithm>
#include <cmath>

namespace hire_snn {

void load_images(const NetworkPlan& plan, const at::Tensor& images, std::int64_t first, std::int64_t count,
                 Workspace& workspace) {
  const auto [channels, height, width] = plan.input();
  const std::int64_t pixels = height * width;
  const at::Tensor contiguous = images.narrow(0, first, count).contiguous();
  const float* from = contiguous.const_data_ptr<float>();
  float* to = workspace.image.reserve(count * pixels * channels);
  for (std::int64_t image = 0; image < count; ++image) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const auto mean = static_cast<float>(plan.mean[static_cast<std::size_t>(c)]);
      const auto deviation = static_cast<float>(plan.std[static_cast<std::size_t>(c)]);
      for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
        to[(image * pixels + pixel) * channels + c] = (*from++ - mean) / deviation;
      }
    }
  }
}

void read_counts(const NetworkPlan& plan, const Stages& stages, const Workspace& workspace,
                 std::int64_t images, std::int32_t* counts) {
  const std::int64_t timesteps = plan.timesteps;
  const auto put = [&](std::size_t layer, const std::vector<std::int32_t>& from) {
    for (std::int64_t image = 0; image < images; ++image) {
      std::copy_n(from.data() + image * timesteps, timesteps,
                  counts + (image * plan.counted_layers() + static_cast<std::int64_t>(layer)) * timesteps);
    }
  };
  for (std::size_t i = 0; i + 1 < stages.stages.size(); ++i) {
    put(stages.stages[i].layer, workspace.stages[i].active);
    if (stages.stages[i].pool) put(*stages.stages[i].pool, workspace.stages[i].active_means);
  }
}

void read_gradient(const NetworkPlan& plan, const Workspace& workspace, std::int64_t images,
                   float* gradient) {
  const auto [channels, height, width] = plan.input();
  const std::int64_t pixels = height * width;
  for (std::int64_t image = 0; image < images; ++image) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const auto deviation = static_cast<float>(plan.std[static_cast<std::size_t>(c)]);
      const float* from = workspace.image_gradient.data() + image * pixels * channels + c;
      for (std::int64_t pixel = 0; pixel < pixels; ++pixel) *gradient++ = from[pixel * channels] / deviation;
    }
  }
}

std::vector<float> take_scales(at::Tensor& values) {
  std::vector<float> scales;
  const std::int64_t size = values.numel() / std::max<std::int64_t>(1, values.size(0));
  float* row = values.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < values.size(0); ++i, row += size) {
    float largest = 0;
    bool finite = true;
    for (std::int64_t j = 0; j < size; ++j) {
      finite &= std::isfinite(row[j]);
      largest = std::max(largest, std::abs(row[j]));
    }
    int exponent = 0;
    if (finite) std::frexp(largest, &exponent);
    exponent = std::clamp(exponent, -126, 126);
    for (std::int64_t j = 0; j < size; ++j) row[j] = std::ldexp(row[j], -exponent);
    scales.push_back(std::ldexp(1.0F, exponent));
  }
  return scales;
}

void give_scales(const std::vector<float>& scales, std::int64_t size, float* values) {
  for (const float scale : scales) {
    for (std::int64_t i = 0; i < size; ++i) *values++ *= scale;
  }
}

}  // namespace hire_snn
