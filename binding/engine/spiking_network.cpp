#include "spiking_network.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>

#include "error.h"
#include "labels.h"

namespace hire_snn {

SpikingNetwork::SpikingNetwork(NetworkPlan plan) : plan_(std::move(plan)) {
  plan_.check();
  counted_synapses_ = static_cast<std::int64_t>(plan_.counted_synapses().size());
}

void SpikingNetwork::check_images(const at::Tensor& images) const {
  const auto& [channels, height, width] = plan_.input();
  if (images.dim() != 4 || images.size(0) < 1 || images.size(1) != channels || images.size(2) != height ||
      images.size(3) != width || images.scalar_type() != plan_.dtype) {
    throw CodedError("INVALID_ARGUMENT", "Expected images [N, " + std::to_string(channels) + ", " +
                                             std::to_string(height) + ", " + std::to_string(width) + "] of " +
                                             c10::toString(plan_.dtype) + " but received " +
                                             c10::str(images.sizes()) + " of " +
                                             c10::toString(images.scalar_type()));
  }
}

/// With the sample indices that are not given.
Draws SpikingNetwork::checked_draws(const Draws& draws, std::int64_t images) const {
  constexpr std::int64_t kMost = 0xFFFFFFFF;
  Draws checked = draws;
  if (!checked.samples.defined()) checked.samples = at::arange(images, at::kLong);
  if (checked.samples.numel() != images) {
    throw CodedError("INVALID_ARGUMENT", "Expected " + std::to_string(images) +
                                             " sampleIndices, one per image, but received " +
                                             std::to_string(checked.samples.numel()));
  }
  if (checked.samples.lt(0).logical_or(checked.samples.gt(kMost)).any().item<bool>()) {
    throw CodedError("INVALID_ARGUMENT", "Expected integers from 0 to 2^32 - 1 for sampleIndices");
  }
  if (checked.pass < 0 || checked.pass > kMost) {
    throw CodedError("INVALID_ARGUMENT", "Expected an integer from 0 to 2^32 - 1 for pass but received " +
                                             std::to_string(checked.pass));
  }
  return checked;
}

at::Tensor SpikingNetwork::empty_logits(std::int64_t images) const {
  return at::empty({images, plan_.classes()}, plan_.dtype);
}

at::Tensor SpikingNetwork::empty_counts(std::int64_t images) const {
  return at::empty({images, plan_.counted_layers(), plan_.timesteps}, at::kInt);
}

at::Tensor SpikingNetwork::empty_reached(std::int64_t images) const {
  return at::empty({images, counted_synapses_, 2}, at::kLong);
}

LayerTrace SpikingNetwork::empty_trace(const LayerPlan& layer, std::int64_t images, bool with_current) const {
  const auto [channels, height, width] = layer.output;
  const auto values = [&, c = channels, h = height, w = width] {
    return at::empty({plan_.timesteps, images, c, h, w}, plan_.dtype);
  };
  LayerTrace trace;
  trace.output = values();
  if (layer.spikes()) {
    trace.membrane = values();
    if (with_current) trace.current = values();
  }
  return trace;
}

Evaluation SpikingNetwork::evaluate(const at::Tensor& images, const Cancellation& cancellation,
                                    const Draws& draws) const {
  check_images(images);
  const std::int64_t count = images.size(0);
  Evaluation result{empty_logits(count), empty_counts(count), empty_reached(count)};
  do_evaluate(images, checked_draws(draws, count), cancellation, result);
  return result;
}

LossGradient SpikingNetwork::input_gradient(const at::Tensor& images, const at::Tensor& labels,
                                            const Cancellation& cancellation, const Draws& draws) const {
  check_images(images);
  check_labels(labels, images.size(0), plan_.classes());
  const std::int64_t count = images.size(0);
  LossGradient result{at::empty(images.sizes(), plan_.dtype), at::empty({count}, plan_.dtype),
                      empty_logits(count), empty_counts(count), empty_reached(count)};
  do_input_gradient(images, checked_draws(draws, count), labels, cancellation, result);
  return result;
}

std::vector<LayerTrace> SpikingNetwork::trace(const at::Tensor& images, const Cancellation& cancellation,
                                              const Draws& draws) const {
  check_images(images);
  std::vector<LayerTrace> traces;
  for (const LayerPlan& layer : plan_.layers) {
    if (layer.counted()) traces.push_back(empty_trace(layer, images.size(0), /*with_current=*/false));
  }
  do_trace(images, checked_draws(draws, images.size(0)), cancellation, traces);
  return traces;
}

void SpikingNetwork::check_layer_input(const at::Tensor& input, const Shape& shape,
                                       const std::string& target) const {
  if (input.dim() < 3 || input.size(0) != plan_.timesteps || input.size(1) < 1 ||
      input.numel() != input.size(0) * input.size(1) * elements(shape) ||
      input.scalar_type() != plan_.dtype) {
    throw CodedError("INVALID_ARGUMENT", "Expected an input [" + std::to_string(plan_.timesteps) + ", N, " +
                                             to_string(shape) + "] of " + c10::toString(plan_.dtype) +
                                             " for " + target + " but received " + c10::str(input.sizes()) +
                                             " of " + c10::toString(input.scalar_type()));
  }
}

LayerTrace SpikingNetwork::trace_layer(std::size_t index, const at::Tensor& input, const at::Tensor& shortcut,
                                       const Cancellation& cancellation) const {
  if (index >= static_cast<std::size_t>(plan_.counted_layers())) {
    throw CodedError("INVALID_ARGUMENT", "Expected a layer from 0 to " +
                                             std::to_string(plan_.counted_layers() - 1) + " but received " +
                                             std::to_string(index));
  }
  const LayerPlan& layer = plan_.layers[index];
  check_layer_input(input, layer.input, layer.name);
  const auto shaped = [&](const at::Tensor& values, const Shape& shape) {
    return values.reshape({plan_.timesteps, values.size(1), shape[0], shape[1], shape[2]});
  };
  if (layer.shortcut.has_value() != shortcut.defined()) {
    throw CodedError("INVALID_ARGUMENT",
                     layer.shortcut
                         ? "Expected also the input of the shortcut into " + layer.name + " but received none"
                         : "Expected one input of " + layer.name + " but received also one of a shortcut");
  }
  at::Tensor earlier;
  if (layer.shortcut) {
    const Shape& shape = plan_.layers[layer.shortcut->from].output;
    check_layer_input(shortcut, shape, "the shortcut into " + layer.name);
    if (shortcut.size(1) != input.size(1)) {
      throw CodedError("INVALID_ARGUMENT",
                       "Expected the inputs of " + layer.name + " to be of as many images but received " +
                           std::to_string(input.size(1)) + " and " + std::to_string(shortcut.size(1)));
    }
    earlier = shaped(shortcut, shape);
  }
  LayerTrace trace = empty_trace(layer, input.size(1), /*with_current=*/true);
  do_trace_layer(index, shaped(input, layer.input), earlier, cancellation, trace);
  return trace;
}

}  // namespace hire_snn
