#include "plain_trainable_network.h"

#include <optional>

#include "engine/cross_entropy.h"
#include "engine/per_channel.h"
#include "engine/plain/dense_layers.h"
#include "engine/plain/plain_neuron.h"

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
  explicit PlainTrainableNetwork(TrainingPlan plan);

  at::Tensor to_plan(std::size_t, const at::Tensor& values) const override { return values; }
  at::Tensor from_plan(std::size_t, const at::Tensor& values) const override { return values; }
  std::string kernels() const override { return "plain"; }

 private:
  TrainingPass do_pass(const TrainingBatch& batch, const Cancellation& cancellation) override;

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
  at::Tensor weight_backward(const LayerPlan& layer, const at::Tensor& input, const at::Tensor& gradient,
                             bool by_input, bool by_weight);

  at::Tensor mean_;  // [C, 1, 1]
  at::Tensor std_;
};

PlainTrainableNetwork::PlainTrainableNetwork(TrainingPlan plan) : TrainableNetwork(std::move(plan)) {
  NetworkPlan& network = description_.network;
  for (const ParameterPlan& from : parameter_plans(description_)) {
    LayerPlan& layer = network.layers[from.layer];
    at::Tensor value;
    switch (from.kind) {
      case ParameterKind::kWeight:
        value = (from.shortcut ? layer.shortcut->weight : layer.weight)
                    .to(network.dtype, /*non_blocking=*/false, /*copy=*/true)
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
  mean_ = per_channel(network.mean, network.dtype);
  std_ = per_channel(network.std, network.dtype);
}

std::unique_ptr<PlainNeuronLayer> PlainTrainableNetwork::neurons(const LayerPlan& layer) const {
  const NeuronParameters scalars{value(layer, ".threshold").item<double>(),
                                 value(layer, ".leak").item<double>()};
  return make_plain_neuron_layer(scalars, description_.network.surrogate, description_.network.dtype);
}

/// What the first layer receives. Direct coding: [1, N, ...], one image stands for all time steps until the
/// first neurons have fired. Rate coding: [T, N, ...].
at::Tensor PlainTrainableNetwork::encoded(const TrainingBatch& batch) const {
  const NetworkPlan& plan = description_.network;
  const at::Tensor normalised = batch.images.sub(mean_).div(std_);
  if (!plan.rate_coding) return normalised.unsqueeze(0);
  return rate_coded(normalised.contiguous(), plan.timesteps, *plan.rate_coding,
                    sample_indices(batch.dropout.samples), batch.draw);
}

/// The weighted sums of a layer, with those of its shortcut, from its input [T, N, ...].
at::Tensor PlainTrainableNetwork::sums(const LayerPlan& layer, const at::Tensor& input,
                                       const std::vector<LayerState>& states) const {
  const std::int64_t steps = input.size(0);
  const at::Tensor merged = merge_time(input);
  at::Tensor result;
  switch (layer.kind) {
    case LayerKind::kConv:
      result = convolve(merged, value(layer, ".weight"), layer.stride);
      break;
    case LayerKind::kAveragePool:
      result = at::avg_pool2d(merged, {2, 2}, {2, 2});
      break;
    case LayerKind::kLinear:
    case LayerKind::kOutput:
      result = at::linear(merged.flatten(1), value(layer, ".weight")).unsqueeze(-1).unsqueeze(-1);
      break;
  }
  result = split_time(result, steps);
  if (!layer.shortcut) return result;
  const at::Tensor& earlier = states[layer.shortcut->from].output;
  if (!layer.shortcut->weight.defined()) return result.add(earlier);
  return result.add(split_time(
      convolve(merge_time(earlier), value(layer, ".shortcut"), layer.shortcut->stride), earlier.size(0)));
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
      at::Tensor logits = at::zeros({batch.images.size(0), plan.classes()}, batch.images.options());
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
      state.mask = dropout.mask(batch.dropout, layer.name, layer.output, plan.dtype);
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

/// The gradient by the input [A, ...] of a layer, if it is asked for, and that by its weight, which becomes
/// the parameter's.
at::Tensor PlainTrainableNetwork::weight_backward(const LayerPlan& layer, const at::Tensor& input,
                                                  const at::Tensor& gradient, bool by_input, bool by_weight) {
  switch (layer.kind) {
    case LayerKind::kAveragePool:
      return pool_backward(gradient, layer.input);
    case LayerKind::kConv: {
      auto [input_gradient, weight_gradient] = convolution_gradients(
          gradient, input.contiguous(), value(layer, ".weight"), layer.stride, by_input, by_weight);
      if (by_weight) parameter(layer, ".weight").gradient.copy_(weight_gradient);
      return input_gradient;
    }
    case LayerKind::kLinear:
    case LayerKind::kOutput: {
      const at::Tensor rows = gradient.flatten(1);
      if (by_weight) at::mm_out(parameter(layer, ".weight").gradient, rows.t(), input.flatten(1));
      if (!by_input) return {};
      return at::mm(rows, value(layer, ".weight"))
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
        auto [by_input, weight_gradient] =
            convolution_gradients(merge_time(gradient), merge_time(states[shortcut.from].output).contiguous(),
                                  value(layer, ".shortcut"), shortcut.stride, /*by_input=*/true, by_weight);
        if (by_weight) parameter(layer, ".shortcut").gradient.copy_(weight_gradient);
        share = split_time(by_input, gradient.size(0));
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

TrainingPass PlainTrainableNetwork::do_pass(const TrainingBatch& batch, const Cancellation& cancellation) {
  std::vector<LayerState> states(description_.network.layers.size());
  TrainingPass result;
  result.logits = forward(batch, states, result.counts, cancellation);
  const CrossEntropy loss = cross_entropy(result.logits, batch.labels);
  result.losses = loss.losses;
  if (!batch.parameter_gradients && !batch.image_gradient) return result;
  const at::Tensor mean_gradient = loss.gradient.div(batch.images.size(0));
  result.image_gradient = backward(batch, states, mean_gradient, cancellation);
  return result;
}

}  // namespace

std::unique_ptr<TrainableNetwork> make_plain_trainable_network(TrainingPlan plan) {
  return std::make_unique<PlainTrainableNetwork>(std::move(plan));
}

}  // namespace hire_snn
