#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <limits>

#include "calibrated_layers.h"
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

class PlainLayers final : public CalibratedLayers {
 public:
  PlainLayers(NetworkPlan plan, const at::Tensor& images, const at::Tensor& samples, std::int64_t timesteps)
      : plan_(std::move(plan)),
        image_(images.sub(per_channel(plan_.mean, plan_.dtype))
                   .div(per_channel(plan_.std, plan_.dtype))
                   .contiguous()),
        samples_(samples),
        timesteps_(timesteps) {}

  double search(std::size_t layer, double fraction, const Cancellation& cancellation) override;
  void fire(std::size_t layer, double threshold, const Cancellation& cancellation) override;

 private:
  /// Whether the layer's sums are the same at every time step.
  bool still(std::size_t layer) const { return layer == 0 && !plan_.rate_coding; }
  at::Tensor sums(std::size_t layer, std::int64_t t) const;

  NetworkPlan plan_;
  at::Tensor image_;  // normalised
  at::Tensor samples_;
  std::int64_t timesteps_;
  PackedSpikes spikes_;  // of the layer of neurons before
};

at::Tensor PlainLayers::sums(std::size_t layer, std::int64_t t) const {
  const LayerPlan& of = plan_.layers[layer];
  if (still(layer)) return weighted_sums(of, image_).contiguous();
  if (layer == 0) {
    return weighted_sums(of, rate_coded(image_, 1, *plan_.rate_coding, samples_, /*pass=*/0, t)[0])
        .contiguous();
  }
  at::Tensor before = spikes_.step(t);
  for (std::size_t i = layer - 1; plan_.layers[i].kind == LayerKind::kAveragePool; --i) {
    before = at::avg_pool2d(before, {2, 2}, {2, 2});
  }
  return weighted_sums(of, before).contiguous();
}

double PlainLayers::search(std::size_t layer, double fraction, const Cancellation& cancellation) {
  double found = -std::numeric_limits<double>::infinity();
  const std::int64_t steps = still(layer) ? 1 : timesteps_;
  for (std::int64_t t = 0; t < steps; ++t) {
    cancellation.check();
    const at::Tensor sums = this->sums(layer, t);
    const std::int64_t k = kth_smallest(fraction, sums.numel());
    AT_DISPATCH_FLOATING_TYPES(plan_.dtype, "threshold", [&] { raise_to_kth<scalar_t>(sums, k, found); });
  }
  return found;
}

void PlainLayers::fire(std::size_t layer, double threshold, const Cancellation& cancellation) {
  PackedSpikes fired;
  at::Tensor membrane, constant;
  for (std::int64_t t = 0; t < timesteps_; ++t) {
    cancellation.check();
    const at::Tensor current = constant.defined() ? constant : sums(layer, t);
    if (still(layer)) constant = current;
    membrane = membrane.defined() ? membrane.add(current) : current;
    const at::Tensor fires = membrane.div(threshold).sub(1).gt(0).to(plan_.dtype);
    membrane = membrane.sub(fires.mul(threshold));
    fired.push(fires);
  }
  spikes_ = std::move(fired);
}

}  // namespace

std::unique_ptr<CalibratedLayers> plain_calibrated_layers(NetworkPlan plan, const at::Tensor& images,
                                                          const at::Tensor& samples, std::int64_t timesteps) {
  return std::make_unique<PlainLayers>(std::move(plan), images, samples, timesteps);
}

}  // namespace hire_snn
