#include "plain_trainable_network.h"

#include <optional>

#include "engine/cross_entropy.h"
#include "engine/error.h"
#include "engine/per_channel.h"
#include "engine/plain/dense_layers.h"
#include "engine/plain/plain_neuron.h"
#include "engine/plain/tensor_neuron.h"

namespace hire_snn {
namespace {

/// What the forward pass leaves of one layer.
struct LayerState {
  at::Tensor input;     // [T, N, ...] of its own weights; [1, N, ...] of the first layer under direct coding
  at::Tensor membrane;  // [T, N, ...] before firing; of a rectified layer its outputs before dropout
  at::Tensor output;    // [T, N, ...] behind dropout
  at::Tensor mask;      // [N, ...], undefined where there is no dropout
};

class PlainTrainableNetwork final : public TrainableNetwork {
 public:
  PlainTrainableNetwork(TrainingPlan plan, const DenseTrainingOptions& options);

  at::Tensor to_plan(std::size_t, const at::Tensor& values) const override { return values; }
  at::Tensor from_plan(std::size_t, const at::Tensor& values) const override { return values; }
  std::string kernels() const override;

 private:
  TrainingPass do_pass(const TrainingBatch& batch, const Cancellation& cancellation,
                       UpdateInPass* update) override;

  bool rectified() const { return description_.activation == Activation::kRectified; }
  Parameter& parameter(const LayerPlan& layer, const char* suffix) {
    return parameters_[index_of(layer.name + suffix)];
  }
  const at::Tensor& value(const LayerPlan& layer, const char* suffix) const {
    return parameters_[index_of(layer.name + suffix)].value;
  }
  std::unique_ptr<PlainNeuronLayer> neurons(const LayerPlan& layer) const;
  at::Tensor encoded(const TrainingBatch& batch) const;
  at::Tensor forward(const TrainingBatch& batch, std::vector<LayerState>& states, at::Tensor& counts,
                     const Cancellation& cancellation) const;
  at::Tensor sums(const LayerPlan& layer, const at::Tensor& input,
                  const std::vector<LayerState>& states) const;
  at::Tensor backward(const TrainingBatch& batch, std::vector<LayerState>& states,
                      const at::Tensor& logit_gradient, const Cancellation& cancellation);
  at::Tensor activation_backward(const LayerPlan& layer, LayerState& state, const at::Tensor& gradient,
                                 bool parameter_gradients);
  at::Tensor convolution_backward(const LayerPlan& layer, const char* suffix, std::int64_t stride,
                                  const at::Tensor& input, const at::Tensor& gradient, bool by_input,
                                  bool by_weight);
  at::Tensor weight_backward(const LayerPlan& layer, const at::Tensor& input, const at::Tensor& gradient,
                             bool by_input, bool by_weight);
  /// What a layer's inputs and weights are multiplied in.
  at::ScalarType product_dtype(const LayerPlan& layer) const;

  DenseTrainingOptions options_;
  at::Tensor mean_;  // [C, 1, 1]
  at::Tensor std_;
};

PlainTrainableNetwork::PlainTrainableNetwork(TrainingPlan plan, const DenseTrainingOptions& options)
    : TrainableNetwork(std::move(plan)), options_(options) {
  NetworkPlan& network = description_.network;
  if (options.mixed_precision && network.dtype != at::kFloat) {
    throw CodedError("INVALID_ARGUMENT", std::string("Expected float32 for mixed precision but received ") +
                                             c10::toString(network.dtype));
  }
  for (const ParameterPlan& from : parameter_plans(description_)) {
    LayerPlan& layer = network.layers[from.layer];
    at::Tensor value;
    switch (from.kind) {
      case ParameterKind::kWeight:
        value = (from.shortcut ? layer.shortcut->weight : layer.weight)
                    .to(options.device, network.dtype, /*non_blocking=*/false, /*copy=*/true)
                    .contiguous();
        break;
      case ParameterKind::kThreshold:
        value = at::full({}, layer.neuron.threshold, network.dtype);
        break;
      case ParameterKind::kLeak:
        value = at::full({}, layer.neuron.leak, network.dtype);
        break;
    }
    parameters_.push_back({from.name, from.kind, value, at::zeros_like(value)});
  }
  mean_ = per_channel(network.mean, network.dtype).to(options.device);
  std_ = per_channel(network.std, network.dtype).to(options.device);
}

std::string PlainTrainableNetwork::kernels() const {
  std::string name = options_.device.is_cpu() ? "plain" : "dense " + options_.device.str();
  if (options_.mixed_precision) name += " bfloat16";
  return name;
}

std::unique_ptr<PlainNeuronLayer> PlainTrainableNetwork::neurons(const LayerPlan& layer) const {
  const NeuronParameters scalars{value(layer, ".threshold").item<double>(),
                                 value(layer, ".leak").item<double>()};
  const NetworkPlan& plan = description_.network;
  if (options_.device.is_cpu() && !options_.tensor_neurons) {
    return make_plain_neuron_layer(scalars, plan.surrogate, plan.dtype);
  }
  return make_tensor_neuron_layer(scalars, plan.surrogate,
                                  at::TensorOptions(options_.device).dtype(plan.dtype));
}

at::ScalarType PlainTrainableNetwork::product_dtype(const LayerPlan& layer) const {
  const auto& layers = description_.network.layers;
  const bool inner = &layer != &layers.front() && &layer != &layers.back();
  return options_.mixed_precision && inner ? at::kBFloat16 : description_.network.dtype;
}

/// What the first layer receives. Direct coding: [1, N, ...], one image stands for all time steps until the
/// first neurons have fired. Rate coding: [T, N, ...].
at::Tensor PlainTrainableNetwork::encoded(const TrainingBatch& batch) const {
  const NetworkPlan& plan = description_.network;
  const at::Tensor normalised = batch.images.to(options_.device).sub(mean_).div(std_);
  if (!plan.rate_coding) return normalised.unsqueeze(0);
  // Drawn by the CPU, of any device's images.
  return rate_coded(normalised.to(at::kCPU).contiguous(), plan.timesteps, *plan.rate_coding,
                    sample_indices(batch.dropout.samples), batch.draw)
      .to(options_.device);
}

/// The weighted sums of a layer, with those of its shortcut, from its input [T, N, ...].
at::Tensor PlainTrainableNetwork::sums(const LayerPlan& layer, const at::Tensor& input,
                                       const std::vector<LayerState>& states) const {
  const std::int64_t steps = input.size(0);
  const at::Tensor merged = merge_time(input);
  const at::ScalarType precision = product_dtype(layer);
  const at::ScalarType dtype = input.scalar_type();
  at::Tensor result;
  switch (layer.kind) {
    case LayerKind::kConv:
      result = convolve(merged.to(precision), value(layer, ".weight").to(precision), layer.stride).to(dtype);
      break;
    case LayerKind::kAveragePool:
      result = at::avg_pool2d(merged, {2, 2}, {2, 2});
      break;
    case LayerKind::kLinear:
    case LayerKind::kOutput:
      result = at::linear(merged.flatten(1).to(precision), value(layer, ".weight").to(precision))
                   .to(dtype)
                   .unsqueeze(-1)
                   .unsqueeze(-1);
      break;
  }
  result = split_time(result, steps);
  if (!layer.shortcut) return result;
  const at::Tensor& earlier = states[layer.shortcut->from].output;
  if (!layer.shortcut->weight.defined()) return result.add(earlier);
  const at::Tensor carried = convolve(merge_time(earlier).to(precision),
                                      value(layer, ".shortcut").to(precision), layer.shortcut->stride);
  return result.add(split_time(carried.to(dtype), earlier.size(0)));
}

at::Tensor PlainTrainableNetwork::forward(const TrainingBatch& batch, std::vector<LayerState>& states,
                                          at::Tensor& counts, const Cancellation& cancellation) const {
  const NetworkPlan& plan = description_.network;
  const Dropout dropout(description_.dropout_rate);
  at::Tensor signal = encoded(batch);
  std::vector<at::Tensor> by_layer;
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    cancellation.check();
    const LayerPlan& layer = plan.layers[i];
    LayerState& state = states[i];
    state.input = signal;
    at::Tensor sums = this->sums(layer, signal, states);
    if (layer.kind == LayerKind::kOutput) {
      counts = at::stack(by_layer).permute({2, 0, 1}).contiguous();
      at::Tensor logits = at::zeros({batch.images.size(0), plan.classes()}, sums.options());
      for (std::int64_t t = 0; t < sums.size(0); ++t) logits.add_(sums[t].flatten(1));
      return logits;
    }
    if (!layer.spikes()) {
      signal = std::move(sums);
      by_layer.push_back(count_active(signal));
    } else if (rectified()) {
      signal = sums.clamp_min(0);
      state.membrane = signal;
      by_layer.push_back(count_active(signal));
    } else {
      Firing firing = neurons(layer)->fire(sums.contiguous(), plan.timesteps);
      state.membrane = std::move(firing.membrane);
      signal = std::move(firing.spikes);
      by_layer.push_back(std::move(firing.counts));
    }
    if (batch.training && description_.dropout[i] && dropout.rate() > 0) {
      state.mask = dropout.mask(batch.dropout, layer.name, layer.output, plan.dtype).to(options_.device);
      signal = signal.mul(state.mask);
    }
    state.output = signal;
  }
  TORCH_INTERNAL_ASSERT(false);
}

/// From the gradient by a layer's outputs before dropout to that by its sums.
at::Tensor PlainTrainableNetwork::activation_backward(const LayerPlan& layer, LayerState& state,
                                                      const at::Tensor& gradient, bool parameter_gradients) {
  if (!layer.spikes()) return gradient;
  if (rectified()) return gradient.mul(state.membrane.gt(0));
  const auto layer_of_neurons = neurons(layer);
  at::Tensor membrane = std::exchange(state.membrane, {});
  if (!parameter_gradients) return layer_of_neurons->backward(std::move(membrane), gradient.contiguous());
  ScalarGradients<double> scalars{0, 0};
  at::Tensor result = layer_of_neurons->train_backward(std::move(membrane), gradient.contiguous(), scalars);
  parameter(layer, ".threshold").gradient.fill_(scalars.threshold);
  parameter(layer, ".leak").gradient.fill_(scalars.leak);
  return result;
}

/// weight_backward() of a convolution: of a layer's own, or of its shortcut's.
at::Tensor PlainTrainableNetwork::convolution_backward(const LayerPlan& layer, const char* suffix,
                                                       std::int64_t stride, const at::Tensor& input,
                                                       const at::Tensor& gradient, bool by_input,
                                                       bool by_weight) {
  const at::ScalarType precision = product_dtype(layer);
  auto [input_gradient, weight_gradient] =
      convolution_gradients(gradient.to(precision), input.contiguous().to(precision),
                            value(layer, suffix).to(precision), stride, by_input, by_weight);
  if (by_weight) parameter(layer, suffix).gradient.copy_(weight_gradient);
  return by_input ? input_gradient.to(gradient.scalar_type()) : input_gradient;
}

/// The gradient by the input [A, ...] of a layer, if it is asked for, and that by its weight, which becomes
/// the parameter's.
at::Tensor PlainTrainableNetwork::weight_backward(const LayerPlan& layer, const at::Tensor& input,
                                                  const at::Tensor& gradient, bool by_input, bool by_weight) {
  const at::ScalarType precision = product_dtype(layer);
  const at::ScalarType dtype = gradient.scalar_type();
  switch (layer.kind) {
    case LayerKind::kAveragePool:
      return pool_backward(gradient, layer.input);
    case LayerKind::kConv:
      return convolution_backward(layer, ".weight", layer.stride, input, gradient, by_input, by_weight);
    case LayerKind::kLinear:
    case LayerKind::kOutput: {
      const at::Tensor rows = gradient.flatten(1).to(precision);
      if (by_weight) {
        at::Tensor& weight_gradient = parameter(layer, ".weight").gradient;
        if (precision == dtype) {
          at::mm_out(weight_gradient, rows.t(), input.flatten(1));
        } else {
          weight_gradient.copy_(at::mm(rows.t(), input.flatten(1).to(precision)));
        }
      }
      if (!by_input) return {};
      return at::mm(rows, value(layer, ".weight").to(precision))
          .to(dtype)
          .reshape({rows.size(0), layer.input[0], layer.input[1], layer.input[2]});
    }
  }
  TORCH_INTERNAL_ASSERT(false);
}

at::Tensor PlainTrainableNetwork::backward(const TrainingBatch& batch, std::vector<LayerState>& states,
                                           const at::Tensor& logit_gradient,
                                           const Cancellation& cancellation) {
  const NetworkPlan& plan = description_.network;
  const bool by_weight = batch.parameter_gradients;
  at::Tensor gradient = logit_gradient.view({1, logit_gradient.size(0), -1, 1, 1});
  std::vector<at::Tensor> by_shortcuts(plan.layers.size());  // of each layer's output, where there are any
  for (std::size_t i = plan.layers.size(); i-- > 0;) {
    cancellation.check();
    const LayerPlan& layer = plan.layers[i];
    LayerState& state = states[i];
    if (by_shortcuts[i].defined()) gradient = gradient.add(std::exchange(by_shortcuts[i], {}));
    if (state.mask.defined()) gradient = gradient.mul(state.mask);
    gradient = activation_backward(layer, state, gradient, by_weight);
    if (layer.shortcut) {
      const Shortcut& shortcut = *layer.shortcut;
      at::Tensor share = gradient;
      if (shortcut.weight.defined()) {
        const at::Tensor earlier = merge_time(states[shortcut.from].output);
        share = split_time(convolution_backward(layer, ".shortcut", shortcut.stride, earlier,
                                                merge_time(gradient), /*by_input=*/true, by_weight),
                           gradient.size(0));
      }
      at::Tensor& sum = by_shortcuts[shortcut.from];
      sum = sum.defined() ? sum.add(share) : share;
    }
    at::Tensor input = std::exchange(state.input, {});
    const bool by_input = i > 0 || batch.image_gradient;
    bool weight_left = by_weight;
    if (i == 0) {
      if (plan.rate_coding && by_weight) {
        // The code differs from step to step.
        weight_backward(layer, merge_time(input), merge_time(gradient), /*by_input=*/false, by_weight);
        weight_left = false;
      }
      // Under direct coding the input is the same at all time steps; under rate coding this is the
      // straight-through gradient by the image.
      input = input.narrow(0, 0, 1);
      gradient = gradient.sum(0, /*keepdim=*/true);
    }
    if (!by_input && !weight_left) break;
    // The output layer's gradient is the same at all time steps.
    if (layer.kind == LayerKind::kOutput) input = input.sum(0, /*keepdim=*/true);
    const at::Tensor result =
        weight_backward(layer, merge_time(input), merge_time(gradient), by_input, weight_left);
    state.output = at::Tensor();
    if (result.defined()) gradient = split_time(result, gradient.size(0));
  }
  return batch.image_gradient ? gradient[0].div(std_) : at::Tensor();
}

TrainingPass PlainTrainableNetwork::do_pass(const TrainingBatch& batch, const Cancellation& cancellation,
                                            UpdateInPass* /*update*/) {
  std::vector<LayerState> states(description_.network.layers.size());
  TrainingPass result;
  result.logits = forward(batch, states, result.counts, cancellation).to(at::kCPU);
  result.counts = result.counts.to(at::kCPU);
  const CrossEntropy loss = cross_entropy(result.logits, batch.labels);
  result.losses = loss.losses;
  if (!batch.parameter_gradients && !batch.image_gradient) return result;
  const at::Tensor mean_gradient = loss.gradient.div(batch.images.size(0)).to(options_.device);
  const at::Tensor image_gradient = backward(batch, states, mean_gradient, cancellation);
  if (image_gradient.defined()) result.image_gradient = image_gradient.to(batch.images.device());
  return result;
}

}  // namespace

std::unique_ptr<TrainableNetwork> make_plain_trainable_network(TrainingPlan plan,
                                                               const DenseTrainingOptions& options) {
  return std::make_unique<PlainTrainableNetwork>(std::move(plan), options);
}

}  // namespace hire_snn
