#include "spiking_network.h"

#include "error.h"
#include "labels.h"

namespace hire_snn {

SpikingNetwork::SpikingNetwork(NetworkPlan plan) : plan_(std::move(plan)) { plan_.check(); }

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

Evaluation SpikingNetwork::evaluate(const at::Tensor& images, const Cancellation& cancellation) const {
  check_images(images);
  return do_evaluate(images, cancellation);
}

LossGradient SpikingNetwork::input_gradient(const at::Tensor& images, const at::Tensor& labels,
                                            const Cancellation& cancellation) const {
  check_images(images);
  check_labels(labels, images.size(0), plan_.classes());
  return do_input_gradient(images, labels, cancellation);
}

std::vector<LayerTrace> SpikingNetwork::trace(const at::Tensor& images,
                                              const Cancellation& cancellation) const {
  check_images(images);
  return do_trace(images, cancellation);
}

LayerTrace SpikingNetwork::trace_layer(std::size_t index, const at::Tensor& input,
                                       const Cancellation& cancellation) const {
  if (index >= static_cast<std::size_t>(plan_.counted_layers())) {
    throw CodedError("INVALID_ARGUMENT", "Expected a layer from 0 to " +
                                             std::to_string(plan_.counted_layers() - 1) + " but received " +
                                             std::to_string(index));
  }
  const LayerPlan& layer = plan_.layers[index];
  if (layer.shortcut) {
    throw CodedError("INVALID_ARGUMENT",
                     "Expected a layer with one input but " + layer.name + " has a shortcut beside it");
  }
  if (input.dim() < 3 || input.size(0) != plan_.timesteps || input.size(1) < 1 ||
      input.numel() != input.size(0) * input.size(1) * elements(layer.input) ||
      input.scalar_type() != plan_.dtype) {
    throw CodedError("INVALID_ARGUMENT", "Expected an input [" + std::to_string(plan_.timesteps) + ", N, " +
                                             to_string(layer.input) + "] of " + c10::toString(plan_.dtype) +
                                             " for " + layer.name + " but received " +
                                             c10::str(input.sizes()) + " of " +
                                             c10::toString(input.scalar_type()));
  }
  return do_trace_layer(
      index, input.reshape({plan_.timesteps, input.size(1), layer.input[0], layer.input[1], layer.input[2]}),
      cancellation);
}

}  // namespace hire_snn
