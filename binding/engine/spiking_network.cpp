#include "spiking_network.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <string>

namespace hire_snn {
namespace {

std::string to_string(const Shape& shape) {
  return std::to_string(shape[0]) + "x" + std::to_string(shape[1]) + "x" + std::to_string(shape[2]);
}

[[noreturn]] void reject(const std::string& message) { throw CodedError("NETWORK_INVALID", message); }

void check_weight(const LayerPlan& layer, const std::vector<std::int64_t>& expected) {
  if (!layer.weight.defined() || layer.weight.sizes() != at::IntArrayRef(expected)) {
    std::string found = layer.weight.defined() ? c10::str(layer.weight.sizes()) : "none";
    reject("Expected a weight of shape " + c10::str(at::IntArrayRef(expected)) + " for " + layer.name +
           " but found " + found);
  }
}

void check_layer(const LayerPlan& layer) {
  const auto& [kind, name, input, output, kernel, weight, neuron] = layer;
  switch (kind) {
    case LayerKind::kConv:
      if (kernel < 1 || kernel % 2 == 0) {
        reject("Expected an odd kernel size for " + name + " but found " + std::to_string(kernel));
      }
      if (output[1] != input[1] || output[2] != input[2]) {
        reject("Expected " + name + " to keep the map's size but found " + to_string(input) + " -> " +
               to_string(output));
      }
      check_weight(layer, {output[0], input[0], kernel, kernel});
      break;
    case LayerKind::kAveragePool:
      if (output != Shape{input[0], input[1] / 2, input[2] / 2} || output[1] < 1 || output[2] < 1) {
        reject("Expected " + name + " to halve the map but found " + to_string(input) + " -> " +
               to_string(output));
      }
      break;
    case LayerKind::kLinear:
    case LayerKind::kOutput:
      if (output[1] != 1 || output[2] != 1) {
        reject("Expected a flat output of " + name + " but found " + to_string(output));
      }
      check_weight(layer, {output[0], elements(input)});
      break;
  }
  if (layer.spikes() &&
      !(neuron.threshold > 0 && std::isfinite(neuron.threshold) && std::isfinite(neuron.leak))) {
    reject("Expected a finite threshold above 0 and a finite leak for " + name + " but found " +
           std::to_string(neuron.threshold) + " and " + std::to_string(neuron.leak));
  }
}

void check_plan(const NetworkPlan& plan) {
  const auto& layers = plan.layers;
  if (layers.size() < 2 || !layers.front().spikes() || layers.back().kind != LayerKind::kOutput) {
    reject("Expected a spiking first layer and an output layer at the end");
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    check_layer(layers[i]);
    if (i + 1 < layers.size() && layers[i].kind == LayerKind::kOutput) {
      reject("Expected the output layer at the end only but found " + layers[i].name + " before it");
    }
    if (i > 0 && layers[i].input != layers[i - 1].output &&
        !(layers[i].kind >= LayerKind::kLinear &&
          elements(layers[i].input) == elements(layers[i - 1].output))) {
      reject("Expected the input of " + layers[i].name + " to be " + to_string(layers[i - 1].output) +
             " but found " + to_string(layers[i].input));
    }
  }
  if (plan.timesteps < 1)
    reject("Expected at least one time step but found " + std::to_string(plan.timesteps));
  const auto channels = static_cast<std::size_t>(plan.input()[0]);
  if (plan.mean.size() != channels || plan.std.size() != channels) {
    reject("Expected a mean and a standard deviation for each of " + std::to_string(channels) +
           " channels but found " + std::to_string(plan.mean.size()) + " and " +
           std::to_string(plan.std.size()));
  }
  for (double std : plan.std) {
    if (!(std > 0)) reject("Expected standard deviations above 0 but found " + std::to_string(std));
  }
}

/// One value per channel, rounded to the network's precision, as [C, 1, 1].
at::Tensor per_channel(const std::vector<double>& values, at::ScalarType dtype) {
  return at::tensor(at::ArrayRef<double>(values), at::kDouble).to(dtype).view({-1, 1, 1});
}

/// Calls `work(micro_batch, first, samples)` for each micro-batch of `batch` along `dimension`; the last one
/// is padded with zeros, of which only `samples` images are real. See Note [Micro-batches].
template <typename Work>
void for_each_micro_batch(const at::Tensor& batch, std::int64_t dimension, const Work& work) {
  constexpr std::int64_t size = SpikingNetwork::kMicroBatch;
  for (std::int64_t first = 0; first < batch.size(dimension); first += size) {
    const std::int64_t samples = std::min(size, batch.size(dimension) - first);
    at::Tensor micro_batch = batch.narrow(dimension, first, samples);
    if (samples < size) {
      auto shape = batch.sizes().vec();
      shape[static_cast<std::size_t>(dimension)] = size - samples;
      micro_batch = at::cat({micro_batch, at::zeros(shape, batch.options())}, dimension);
    }
    work(micro_batch.contiguous(), first, samples);
  }
}

/// `values` with its last dimension grown by zeros to `size`.
at::Tensor pad_last(const at::Tensor& values, std::int64_t size) {
  const std::int64_t missing = size - values.size(-1);
  return missing == 0 ? values : at::constant_pad_nd(values, {0, missing});
}

/// The next multiple of 16. See Note [Micro-batches].
std::int64_t padded(std::int64_t features) { return (features + 15) / 16 * 16; }

/// [A, B, ...] as [A * B, ...], which is what libtorch's layers take.
at::Tensor merge_time(const at::Tensor& values) { return values.flatten(0, 1); }

at::Tensor split_time(const at::Tensor& values, std::int64_t timesteps) {
  return values.unflatten(0, at::IntArrayRef({timesteps, values.size(0) / timesteps}));
}

/// [T, N] int32: the outputs of a pool that are not zero.
at::Tensor count_active(const at::Tensor& pooled) {
  return pooled.ne(0).flatten(2).sum(2, /*keepdim=*/false, at::kInt);
}

}  // namespace

/// What a forward pass over one micro-batch leaves behind.
struct SpikingNetwork::Pass {
  at::Tensor logits;                  // [M, classes]
  std::vector<at::Tensor> counts;     // [T, M] per counted layer
  std::vector<at::Tensor> membranes;  // [T, M, ...] per layer; undefined where a layer does not spike
  std::vector<at::Tensor> outputs;    // [T, M, ...] per counted layer, if they are kept
};

SpikingNetwork::SpikingNetwork(NetworkPlan plan) : plan_(std::move(plan)) {
  check_plan(plan_);
  for (auto& layer : plan_.layers) {
    neurons_.push_back(layer.spikes() ? make_plain_neuron_layer(layer.neuron, plan_.surrogate, plan_.dtype)
                                      : nullptr);
    if (!layer.weight.defined()) continue;
    layer.weight = layer.weight.to(plan_.dtype).contiguous();
    if (layer.weight.dim() == 2) {
      const auto [out, in] = std::pair(layer.weight.size(0), layer.weight.size(1));
      layer.weight = at::constant_pad_nd(layer.weight, {0, padded(in) - in, 0, padded(out) - out});
    }
  }
  mean_ = per_channel(plan_.mean, plan_.dtype);
  std_ = per_channel(plan_.std, plan_.dtype);
}

SpikingNetwork::~SpikingNetwork() = default;

std::int64_t SpikingNetwork::counted_layers() const {
  return std::count_if(plan_.layers.begin(), plan_.layers.end(),
                       [](const LayerPlan& layer) { return layer.counted(); });
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

at::Tensor SpikingNetwork::normalise(const at::Tensor& images) const { return images.sub(mean_).div(std_); }

/// The weighted sums of `input` [A, ...] into the neurons of a layer.
at::Tensor SpikingNetwork::synapses(const LayerPlan& layer, const at::Tensor& input) const {
  switch (layer.kind) {
    case LayerKind::kConv: {
      const std::int64_t padding = (layer.kernel - 1) / 2;
      return at::conv2d(input, layer.weight, {}, 1, padding);
    }
    case LayerKind::kAveragePool:
      return at::avg_pool2d(input, {2, 2}, {2, 2});
    case LayerKind::kLinear:
    case LayerKind::kOutput:
      return at::linear(pad_last(input.flatten(1), layer.weight.size(1)), layer.weight)
          .narrow(1, 0, layer.output[0])
          .unsqueeze(-1)
          .unsqueeze(-1);
  }
  TORCH_INTERNAL_ASSERT(false);
}

/// The gradient by the input [A, ...] of a layer from that by its sums.
at::Tensor SpikingNetwork::synapses_backward(const LayerPlan& layer, const at::Tensor& gradient) const {
  const std::int64_t batch = gradient.size(0);
  const std::vector<std::int64_t> shape{batch, layer.input[0], layer.input[1], layer.input[2]};
  // libtorch wants the forward input only to know its shape: this memory is never touched.
  const auto shaped_input = [&] { return at::empty(shape, gradient.options()); };
  switch (layer.kind) {
    case LayerKind::kConv: {
      const std::int64_t padding = (layer.kernel - 1) / 2;
      return std::get<0>(at::convolution_backward(gradient, shaped_input(), layer.weight,
                                                  at::OptionalIntArrayRef(), {1, 1}, {padding, padding},
                                                  {1, 1}, false, {0, 0}, 1, {true, false, false}));
    }
    case LayerKind::kAveragePool:
      return at::avg_pool2d_backward(gradient, shaped_input(), {2, 2}, {2, 2}, {0, 0}, false, true,
                                     std::nullopt);
    case LayerKind::kLinear:
    case LayerKind::kOutput:
      return at::matmul(pad_last(gradient.flatten(1), layer.weight.size(0)), layer.weight)
          .narrow(1, 0, elements(layer.input))
          .reshape(shape);
  }
  TORCH_INTERNAL_ASSERT(false);
}

SpikingNetwork::Pass SpikingNetwork::forward(const at::Tensor& micro_batch, const Cancellation& cancellation,
                                             bool keep_outputs) const {
  Pass pass;
  pass.membranes.resize(plan_.layers.size());
  // Direct coding: the image is the same at every time step, so one stands for all until the first neurons
  // have fired.
  at::Tensor signal = normalise(micro_batch).unsqueeze(0);
  for (std::size_t i = 0; i < plan_.layers.size(); ++i) {
    cancellation.check();
    const LayerPlan& layer = plan_.layers[i];
    at::Tensor sums = split_time(synapses(layer, merge_time(signal)), signal.size(0));
    if (layer.kind == LayerKind::kOutput) {
      pass.logits = at::zeros({micro_batch.size(0), plan_.classes()}, micro_batch.options());
      for (std::int64_t t = 0; t < plan_.timesteps; ++t) pass.logits.add_(sums[t].flatten(1));
      break;
    }
    if (layer.spikes()) {
      Firing firing = neurons_[i]->fire(sums.contiguous(), plan_.timesteps);
      pass.membranes[i] = std::move(firing.membrane);
      pass.counts.push_back(std::move(firing.counts));
      signal = std::move(firing.spikes);
    } else {
      pass.counts.push_back(count_active(sums));
      signal = std::move(sums);
    }
    if (keep_outputs) pass.outputs.push_back(signal);
  }
  return pass;
}

at::Tensor SpikingNetwork::backward(Pass& pass, const at::Tensor& logit_gradient,
                                    const Cancellation& cancellation) const {
  // The output layer sums over the time steps, so its gradient is the same at all of them.
  const std::int64_t batch = logit_gradient.size(0);
  at::Tensor gradient =
      synapses_backward(plan_.layers.back(), logit_gradient.view({batch, -1, 1, 1})).unsqueeze(0);
  for (std::size_t i = plan_.layers.size() - 1; i-- > 0;) {
    cancellation.check();
    const LayerPlan& layer = plan_.layers[i];
    if (layer.spikes()) gradient = neurons_[i]->backward(std::move(pass.membranes[i]), gradient.contiguous());
    // The transposed convolution is linear and the image the same at all time steps: once for their sum.
    if (i == 0) gradient = gradient.sum(0, /*keepdim=*/true);
    gradient = split_time(synapses_backward(layer, merge_time(gradient)), gradient.size(0));
  }
  return gradient[0].div(std_);
}

Evaluation SpikingNetwork::evaluate(const at::Tensor& images, const Cancellation& cancellation) const {
  check_images(images);
  Evaluation result;
  result.logits = at::empty({images.size(0), plan_.classes()}, images.options());
  result.counts = at::empty({images.size(0), counted_layers(), plan_.timesteps}, at::kInt);
  for_each_micro_batch(images, 0,
                       [&](const at::Tensor& micro_batch, std::int64_t first, std::int64_t samples) {
                         const Pass pass = forward(micro_batch, cancellation, /*keep_outputs=*/false);
                         result.logits.narrow(0, first, samples).copy_(pass.logits.narrow(0, 0, samples));
                         // [layers, T, M] -> [M, layers, T]
                         result.counts.narrow(0, first, samples)
                             .copy_(at::stack(pass.counts).permute({2, 0, 1}).narrow(0, 0, samples));
                       });
  return result;
}

LossGradient SpikingNetwork::input_gradient(const at::Tensor& images, const at::Tensor& labels,
                                            const Cancellation& cancellation) const {
  check_images(images);
  if (labels.sizes() != at::IntArrayRef({images.size(0)})) {
    throw CodedError("INVALID_ARGUMENT", "Expected one label for each of " + std::to_string(images.size(0)) +
                                             " images but received " + c10::str(labels.sizes()));
  }
  if (labels.min().item<std::int64_t>() < 0 || labels.max().item<std::int64_t>() >= plan_.classes()) {
    throw CodedError("INVALID_ARGUMENT", "Expected labels from 0 to " + std::to_string(plan_.classes() - 1) +
                                             " but received one from " +
                                             std::to_string(labels.min().item<std::int64_t>()) + " to " +
                                             std::to_string(labels.max().item<std::int64_t>()));
  }
  LossGradient result;
  result.gradient = at::empty(images.sizes(), images.options());
  result.losses = at::empty({images.size(0)}, images.options());
  result.logits = at::empty({images.size(0), plan_.classes()}, images.options());
  for_each_micro_batch(
      images, 0, [&](const at::Tensor& micro_batch, std::int64_t first, std::int64_t samples) {
        Pass pass = forward(micro_batch, cancellation, /*keep_outputs=*/false);
        at::Tensor label = at::zeros({kMicroBatch, 1}, at::kLong);
        label.narrow(0, 0, samples).copy_(labels.narrow(0, first, samples).unsqueeze(1));
        const at::Tensor log_probability = pass.logits.log_softmax(1);
        const at::Tensor losses = log_probability.gather(1, label).neg().squeeze(1);
        const at::Tensor logit_gradient =
            log_probability.exp().scatter_add(1, label, at::full(label.sizes(), -1, images.options()));
        const at::Tensor gradient = backward(pass, logit_gradient, cancellation);
        result.gradient.narrow(0, first, samples).copy_(gradient.narrow(0, 0, samples));
        result.losses.narrow(0, first, samples).copy_(losses.narrow(0, 0, samples));
        result.logits.narrow(0, first, samples).copy_(pass.logits.narrow(0, 0, samples));
      });
  return result;
}

std::vector<LayerTrace> SpikingNetwork::trace(const at::Tensor& images,
                                              const Cancellation& cancellation) const {
  check_images(images);
  std::vector<LayerTrace> traces(static_cast<std::size_t>(counted_layers()));
  const auto allocate = [&](const at::Tensor& like) {
    auto shape = like.sizes().vec();
    shape[1] = images.size(0);
    return at::empty(shape, like.options());
  };
  for_each_micro_batch(
      images, 0, [&](const at::Tensor& micro_batch, std::int64_t first, std::int64_t samples) {
        const Pass pass = forward(micro_batch, cancellation, /*keep_outputs=*/true);
        for (std::size_t i = 0; i < traces.size(); ++i) {
          if (first == 0) {
            traces[i].output = allocate(pass.outputs[i]);
            if (pass.membranes[i].defined()) traces[i].membrane = allocate(pass.membranes[i]);
          }
          traces[i].output.narrow(1, first, samples).copy_(pass.outputs[i].narrow(1, 0, samples));
          if (pass.membranes[i].defined()) {
            traces[i].membrane.narrow(1, first, samples).copy_(pass.membranes[i].narrow(1, 0, samples));
          }
        }
      });
  return traces;
}

LayerTrace SpikingNetwork::trace_layer(std::size_t index, const at::Tensor& input,
                                       const Cancellation& cancellation) const {
  if (index >= static_cast<std::size_t>(counted_layers())) {
    throw CodedError("INVALID_ARGUMENT", "Expected a layer from 0 to " +
                                             std::to_string(counted_layers() - 1) + " but received " +
                                             std::to_string(index));
  }
  const LayerPlan& layer = plan_.layers[index];
  if (input.dim() < 3 || input.size(0) != plan_.timesteps || input.size(1) < 1 ||
      input.numel() != input.size(0) * input.size(1) * elements(layer.input) ||
      input.scalar_type() != plan_.dtype) {
    throw CodedError("INVALID_ARGUMENT", "Expected an input [" + std::to_string(plan_.timesteps) + ", N, " +
                                             to_string(layer.input) + "] of " + c10::toString(plan_.dtype) +
                                             " for " + layer.name + " but received " +
                                             c10::str(input.sizes()) + " of " +
                                             c10::toString(input.scalar_type()));
  }
  const std::int64_t batch = input.size(1);
  LayerTrace result;
  const auto shape =
      std::vector<std::int64_t>{plan_.timesteps, batch, layer.output[0], layer.output[1], layer.output[2]};
  result.output = at::empty(shape, input.options());
  if (layer.spikes()) {
    result.current = at::empty(shape, input.options());
    result.membrane = at::empty(shape, input.options());
  }
  const at::Tensor shaped =
      input.reshape({plan_.timesteps, batch, layer.input[0], layer.input[1], layer.input[2]});
  for_each_micro_batch(
      shaped, 1, [&](const at::Tensor& micro_batch, std::int64_t first, std::int64_t samples) {
        cancellation.check();
        const at::Tensor sums =
            split_time(synapses(layer, merge_time(micro_batch)), plan_.timesteps).contiguous();
        if (!layer.spikes()) {
          result.output.narrow(1, first, samples).copy_(sums.narrow(1, 0, samples));
          return;
        }
        result.current.narrow(1, first, samples).copy_(sums.narrow(1, 0, samples));
        const Firing firing = neurons_[index]->fire(sums, plan_.timesteps);
        result.membrane.narrow(1, first, samples).copy_(firing.membrane.narrow(1, 0, samples));
        result.output.narrow(1, first, samples).copy_(firing.spikes.narrow(1, 0, samples));
      });
  return result;
}

}  // namespace hire_snn
