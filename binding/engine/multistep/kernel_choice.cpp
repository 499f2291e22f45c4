#include "kernel_choice.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "kernels/kernels.h"

namespace hire_snn {

void make_calibration_images(float* images, const NetworkPlan& plan) {
  const auto [channels, height, width] = plan.input();
  constexpr double kTurn = 6.283185307179586;
  std::mt19937 random(1);  // its numbers are laid down by the standard
  const auto uniform = [&random] { return static_cast<double>(random()) / 4294967296.0; };
  struct Wave {
    double x, y, phase, height;
  };
  for (std::int64_t image = 0; image < kCalibrationImages; ++image) {
    std::array<Wave, 24> waves;
    double frequency =
        0.5;  // waves across the image; the amplitudes give a deviation of a quarter, as natural images
    for (Wave& wave : waves) {
      const double angle = kTurn * uniform();
      wave = {frequency * std::cos(angle), frequency * std::sin(angle), kTurn * uniform(), 0.14 / frequency};
      frequency += 0.4;
    }
    for (std::int64_t pixel = 0; pixel < height * width; ++pixel) {
      const double y = static_cast<double>(pixel / width) / static_cast<double>(height);
      const double x = static_cast<double>(pixel % width) / static_cast<double>(width);
      double luminance = 0.5;
      for (const Wave& wave : waves) {
        luminance += wave.height * std::sin(kTurn * (wave.x * x + wave.y * y) + wave.phase);
      }
      for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) {
        const double value = std::clamp(luminance + 0.05 * (uniform() - 0.5), 0.0, 1.0);
        *images++ = static_cast<float>((value - plan.mean[c]) / plan.std[c]);
      }
    }
  }
}

bool winograd_can(const LayerPlan& layer) {
  return layer.kind == LayerKind::kConv && layer.kernel == 3 && layer.stride == 1;
}

double winograd_pays_from(const LayerPlan& layer) {
  // The multiplications alone break even at one density everywhere. Transforms cost most where few channels
  // share them, and tiles that stand out over the map are computed for nothing.
  constexpr double kProducts = 0.2;
  constexpr double kTransform = 1.0;
  const auto tiled = [](std::int64_t side) { return (side + kTile - 1) / kTile * kTile; };
  const double overhang = static_cast<double>(tiled(layer.output[1]) * tiled(layer.output[2])) /
                          static_cast<double>(layer.output[1] * layer.output[2]);
  const double transforms = kTransform / static_cast<double>(blocks(layer.output[0])) +
                            kTransform / static_cast<double>(blocks(layer.input[0]));
  return kProducts * overhang * (1 + transforms);
}

}  // namespace hire_snn
