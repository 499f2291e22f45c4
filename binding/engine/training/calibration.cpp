#include "calibration.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/per_channel.h"
#include "engine/plain/dense_layers.h"

namespace hire_snn {
namespace {

/// The spikes of one layer at every time step, a bit each: as floating-point numbers, those of a hundred time
/// steps would not fit in memory.
class PackedSpikes {
 public:
  void push(const at::Tensor& spikes) {
    sizes_ = spikes.sizes().vec();
    dtype_ = spikes.scalar_type();
    std::vector<std::uint8_t> bits(static_cast<std::size_t>((spikes.numel() + 7) / 8));
    AT_DISPATCH_FLOATING_TYPES(dtype_, "pack", [&] {
      const auto* from = spikes.const_data_ptr<scalar_t>();
      each_byte(bits, spikes.numel(), [&](std::size_t byte, std::int64_t first, std::int64_t count) {
        unsigned packed = 0;
        for (std::int64_t i = 0; i < count; ++i) packed |= static_cast<unsigned>(from[first + i] != 0) << i;
        bits[byte] = static_cast<std::uint8_t>(packed);
      });
    });
    steps_.push_back(std::move(bits));
  }

  at::Tensor step(std::int64_t t) const {
    at::Tensor spikes = at::empty(sizes_, dtype_);
    const auto& bits = steps_[static_cast<std::size_t>(t)];
    AT_DISPATCH_FLOATING_TYPES(dtype_, "unpack", [&] {
      auto* to = spikes.mutable_data_ptr<scalar_t>();
      each_byte(bits, spikes.numel(), [&](std::size_t byte, std::int64_t first, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i) to[first + i] = static_cast<scalar_t>(bits[byte] >> i & 1);
      });
    });
    return spikes;
  }

 private:
  template <typename Work>
  static void each_byte(const std::vector<std::uint8_t>& bits, std::int64_t values, const Work& work) {
    at::parallel_for(
        0, static_cast<std::int64_t>(bits.size()), 1 << 14, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t byte = begin; byte < end; ++byte) {
            work(static_cast<std::size_t>(byte), 8 * byte, std::min<std::int64_t>(8, values - 8 * byte));
          }
        });
  }

  std::vector<std::int64_t> sizes_;
  at::ScalarType dtype_ = at::kFloat;
  std::vector<std::vector<std::uint8_t>> steps_;
};

/// Raises `largest` to the kth smallest of `values`, if that is larger.
template <typename scalar>
void raise_to_kth(const at::Tensor& values, std::int64_t k, double& largest) {
  const auto* from = values.const_data_ptr<scalar>();
  const std::int64_t count = values.numel();
  // The kth smallest is larger if fewer than k are as small; then it is among the few that are larger.
  std::vector<scalar> larger;
  for (std::int64_t i = 0; i < count; ++i) {
    if (static_cast<double>(from[i]) > largest) larger.push_back(from[i]);
  }
  const std::int64_t place = k - 1 - (count - static_cast<std::int64_t>(larger.size()));
  if (place < 0) return;
  std::nth_element(larger.begin(), larger.begin() + place, larger.end());
  largest = static_cast<double>(larger[static_cast<std::size_t>(place)]);
}

/// The weighted sums of one layer at one time step.
at::Tensor weighted_sums(const LayerPlan& layer, const at::Tensor& input) {
  if (layer.kind == LayerKind::kConv) return convolve(input, layer.weight, layer.stride);
  return at::linear(input.flatten(1), layer.weight).unsqueeze(-1).unsqueeze(-1);
}

/// The first layer in or behind a residual block; the number of layers if there is none.
std::size_t first_block_layer(const NetworkPlan& plan) {
  std::size_t first = plan.layers.size();
  for (const LayerPlan& layer : plan.layers) {
    if (layer.shortcut) first = std::min(first, layer.shortcut->from + 1);
  }
  return first;
}

}  // namespace

std::vector<double> find_thresholds(const NetworkPlan& plan, const at::Tensor& images,
                                    const at::Tensor& samples, const CalibrationOptions& options,
                                    const Cancellation& cancellation) {
  if (samples.numel() != images.size(0)) {
    throw CodedError("INVALID_ARGUMENT", "Expected the indices of " + std::to_string(images.size(0)) +
                                             " samples but received " + std::to_string(samples.numel()));
  }
  const std::size_t end = first_block_layer(plan);
  const at::Tensor image =
      images.sub(per_channel(plan.mean, plan.dtype)).div(per_channel(plan.std, plan.dtype)).contiguous();
  std::vector<double> thresholds;
  PackedSpikes spikes;  // of the layer of neurons before
  bool pooled = false;  // whether a pool lies behind it
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    const LayerPlan& layer = plan.layers[i];
    if (layer.kind == LayerKind::kAveragePool) pooled = true;
    if (!layer.spikes()) continue;
    if (i >= end) {
      thresholds.push_back(options.block_threshold);
      continue;
    }
    const bool first = thresholds.empty();
    // Under direct coding, the first layer's sums are the same at every time step.
    const bool still = first && !plan.rate_coding;
    const auto current = [&](std::int64_t t) {
      cancellation.check();
      if (still) return weighted_sums(layer, image).contiguous();
      if (first) {
        const at::Tensor code = rate_coded(image, 1, *plan.rate_coding, samples, /*pass=*/0, t)[0];
        return weighted_sums(layer, code).contiguous();
      }
      const at::Tensor before = spikes.step(t);
      return weighted_sums(layer, pooled ? at::avg_pool2d(before, {2, 2}, {2, 2}) : before).contiguous();
    };
    double found = -std::numeric_limits<double>::infinity();
    const std::int64_t steps = still ? 1 : options.timesteps;
    for (std::int64_t t = 0; t < steps; ++t) {
      const at::Tensor sums = current(t);
      const auto k = 1 + static_cast<std::int64_t>(
                             std::nearbyint(options.fraction * static_cast<double>(sums.numel() - 1)));
      AT_DISPATCH_FLOATING_TYPES(plan.dtype, "threshold", [&] { raise_to_kth<scalar_t>(sums, k, found); });
    }
    if (!(found > 0) || !std::isfinite(found)) {
      throw CodedError("TRAINING_FAILED",
                       "Expected a threshold above 0 for " + layer.name + " but found " +
                           std::to_string(found) +
                           ": the layer's input is silent; train the ANN for longer, or give more images");
    }
    PackedSpikes fired;
    at::Tensor membrane, constant;
    for (std::int64_t t = 0; t < options.timesteps; ++t) {
      if (constant.defined()) {
        membrane = membrane.add(constant);
      } else {
        at::Tensor sums = current(t);
        if (still) constant = sums;
        membrane = membrane.defined() ? membrane.add(sums) : sums;
      }
      const at::Tensor fires = membrane.div(found).sub(1).gt(0).to(plan.dtype);
      membrane = membrane.sub(fires.mul(found));
      fired.push(fires);
    }
    spikes = std::move(fired);
    pooled = false;
    thresholds.push_back(found);
  }
  // Blocks have theirs already.
  std::size_t neuron = 0;
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    if (!plan.layers[i].spikes()) continue;
    if (i < end) thresholds[neuron] *= options.scale;
    ++neuron;
  }
  return thresholds;
}

}  // namespace hire_snn
