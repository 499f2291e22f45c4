#include "plain_network.h"

#include <algorithm>

#include "dense_layers.h"
#include "engine/connections.h"
#include "engine/cross_entropy.h"
#include "engine/micro_batches.h"
#include "engine/per_channel.h"
#include "plain_neuron.h"

namespace hire_snn {
namespace {

/// `values` with its last dimension grown by zeros to `size`.
at::Tensor pad_last(const at::Tensor& values, std::int64_t size) {
  const std::int64_t missing = size - values.size(-1);
  return missing == 0 ? values : at::constant_pad_nd(values, {0, missing});
}

/// The next multiple of 16. See Note [Micro-batches].
std::int64_t padded(std::int64_t features) { return (features + 15) / 16 * 16; }

/// [M, 2] int64, Evaluation::reached of one synapse.
/// @param input [T, M, C, H, W] spikes, or means of them
/// @param reach [H, W] int64
/// @param spikes what a value of 1 stands for: 1, behind a pool 4, behind two in a row 16
at::Tensor count_reached(const at::Tensor& input, const at::Tensor& reach, std::int64_t spikes) {
  const auto weighed = [&](const at::Tensor& by_pixel) { return by_pixel.mul(reach).flatten(1).sum(1); };
  // Means of spikes are multiples of a power of 1/4: double precision adds them up exactly.
  const at::Tensor active = input.ne(0).sum({0, 2}, /*keepdim=*/false, at::kLong);
  const at::Tensor fired =
      input.sum({0, 2}, /*keepdim=*/false, at::kDouble).mul(static_cast<double>(spikes)).to(at::kLong);
  return at::stack({weighed(active), weighed(fired)}, 1);
}

/// The gradient by the input [A, ...] of convolve() from that by its sums.
at::Tensor convolve_backward(const at::Tensor& gradient, const Shape& input, const at::Tensor& weight,
                             std::int64_t stride) {
  return convolution_gradients(gradient, shaped_input(gradient, input), weight, stride, /*by_input=*/true,
                               /*by_weight=*/false)
      .first;
}

/// What a forward pass over one micro-batch leaves behind.
struct Pass {
  at::Tensor logits;                  // [M, classes]
  std::vector<at::Tensor> counts;     // [T, M] per counted layer
  std::vector<at::Tensor> reached;    // [M, 2] per counted synapse
  std::vector<at::Tensor> membranes;  // [T, M, ...] per layer; undefined where a layer does not spike
  std::vector<at::Tensor> outputs;    // [T, M, ...] per counted layer; undefined where it is not kept
};

/// [layers, T, M] of a pass into [n, layers, T] of its first n images.
void copy_counts(const Pass& pass, const at::Tensor& counts) {
  counts.copy_(at::stack(pass.counts).permute({2, 0, 1}).narrow(0, 0, counts.size(0)));
}

/// [synapses, M, 2] of a pass into [n, synapses, 2] of its first n images.
void copy_reached(const Pass& pass, const at::Tensor& reached) {
  reached.copy_(at::stack(pass.reached).transpose(0, 1).narrow(0, 0, reached.size(0)));
}

class PlainNetwork final : public SpikingNetwork {
 public:
  explicit PlainNetwork(NetworkPlan plan);

  std::string kernels() const override { return "plain"; }
  std::vector<LayerProfile> profile() const override;
  std::int64_t weight_bytes() const override;

 private:
  void do_evaluate(const at::Tensor& images, const Draws& draws, const Cancellation& cancellation,
                   Evaluation& result) const override;
  void do_input_gradient(const at::Tensor& images, const Draws& draws, const at::Tensor& labels,
                         const Cancellation& cancellation, LossGradient& result) const override;
  void do_trace(const at::Tensor& images, const Draws& draws, const Cancellation& cancellation,
                std::vector<LayerTrace>& traces) const override;
  void do_trace_layer(std::size_t layer, const at::Tensor& input, const at::Tensor& shortcut,
                      const Cancellation& cancellation, LayerTrace& trace) const override;

  at::Tensor synapses(const LayerPlan& layer, const at::Tensor& input) const;
  at::Tensor shortcut_sums(const Shortcut& shortcut, const at::Tensor& earlier) const;
  at::Tensor synapses_backward(const LayerPlan& layer, const at::Tensor& gradient) const;
  at::Tensor encoded(const at::Tensor& micro_batch, const Draws& draws, std::int64_t first) const;
  Pass forward(at::Tensor signal, const Cancellation& cancellation, bool keep_outputs) const;
  void prepare_reach();
  at::Tensor reached(const at::Tensor& input, const at::Tensor& reach, std::size_t source) const;
  at::Tensor backward(Pass& pass, const at::Tensor& logit_gradient, const Cancellation& cancellation) const;

  std::vector<std::unique_ptr<PlainNeuronLayer>> neurons_;  // null where a layer does not spike
  std::vector<char> starts_shortcut_;                       // per layer: a later one reads its output
  std::vector<at::Tensor> reach_;            // [H, W] int64 per layer: of its own weights, undefined without
  std::vector<at::Tensor> shortcut_reach_;   // the same of a shortcut's
  std::vector<std::int64_t> spikes_of_one_;  // per layer: spikes that an output of 1 stands for
  at::Tensor mean_;                          // [C, 1, 1]
  at::Tensor std_;
};

PlainNetwork::PlainNetwork(NetworkPlan plan) : SpikingNetwork(std::move(plan)) {
  starts_shortcut_.resize(plan_.layers.size());
  prepare_reach();
  for (auto& layer : plan_.layers) {
    neurons_.push_back(!layer.spikes() ? nullptr
                       : plan_.neurons == NeuronKind::kRelu
                           ? make_relu_layer()
                           : make_plain_neuron_layer(layer.neuron, plan_.surrogate, plan_.dtype));
    if (layer.shortcut) {
      starts_shortcut_[layer.shortcut->from] = true;
      at::Tensor& weight = layer.shortcut->weight;
      if (weight.defined()) weight = weight.to(plan_.dtype).contiguous();
    }
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

void PlainNetwork::prepare_reach() {
  const auto reach_of = [](const Connections& connections, const Shape& input) {
    const std::vector<std::int32_t> reach = connections.reach();
    return at::tensor(at::ArrayRef<std::int32_t>(reach), at::kLong).view({input[1], input[2]});
  };
  reach_.resize(plan_.layers.size());
  shortcut_reach_.resize(plan_.layers.size());
  for (std::size_t i = 0; i < plan_.layers.size(); ++i) {
    const LayerPlan& layer = plan_.layers[i];
    spikes_of_one_.push_back(layer.kind == LayerKind::kAveragePool ? 4 * spikes_of_one_.back() : 1);
    if (i == 0 || layer.kind == LayerKind::kAveragePool) continue;
    const Shape& input = plan_.layers[i - 1].output;
    reach_[i] = reach_of(layer.kind == LayerKind::kConv
                             ? Connections::convolution(input, layer.output, layer.kernel, layer.stride)
                             : Connections::linear(input[1] * input[2]),
                         input);
    if (!layer.shortcut || !layer.shortcut->weight.defined()) continue;
    const Shape& earlier = plan_.layers[layer.shortcut->from].output;
    shortcut_reach_[i] =
        reach_of(Connections::convolution(earlier, layer.output, 1, layer.shortcut->stride), earlier);
  }
}

std::vector<LayerProfile> PlainNetwork::profile() const {
  std::vector<LayerProfile> layers;
  for (const LayerPlan& layer : plan_.layers) {
    if (layer.weight.defined())
      layers.push_back({.name = layer.name, .forward = "dense", .backward = "dense"});
  }
  return layers;
}

std::int64_t PlainNetwork::weight_bytes() const {
  std::size_t sum = 0;
  for (const LayerPlan& layer : plan_.layers) {
    if (layer.weight.defined()) sum += layer.weight.nbytes();
    if (layer.shortcut && layer.shortcut->weight.defined()) sum += layer.shortcut->weight.nbytes();
  }
  return static_cast<std::int64_t>(sum);
}

/// The weighted sums of `input` [A, ...] into the neurons of a layer, without those of a shortcut.
at::Tensor PlainNetwork::synapses(const LayerPlan& layer, const at::Tensor& input) const {
  switch (layer.kind) {
    case LayerKind::kConv:
      return convolve(input, layer.weight, layer.stride);
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

/// count_reached() of the output of layer `source`. Outputs of rectified linear units are no spikes: those
/// that are not zero stand for one each.
at::Tensor PlainNetwork::reached(const at::Tensor& input, const at::Tensor& reach, std::size_t source) const {
  if (plan_.neurons == NeuronKind::kRelu) return count_reached(input.ne(0).to(input.scalar_type()), reach, 1);
  return count_reached(input, reach, spikes_of_one_[source]);
}

/// What a shortcut adds to the weighted sums, from the output [T, ...] of the layer where it starts.
at::Tensor PlainNetwork::shortcut_sums(const Shortcut& shortcut, const at::Tensor& earlier) const {
  if (!shortcut.weight.defined()) return earlier;
  return split_time(convolve(merge_time(earlier), shortcut.weight, shortcut.stride), plan_.timesteps);
}

/// The gradient by the input [A, ...] of a layer from that by its sums.
at::Tensor PlainNetwork::synapses_backward(const LayerPlan& layer, const at::Tensor& gradient) const {
  switch (layer.kind) {
    case LayerKind::kConv:
      return convolve_backward(gradient, layer.input, layer.weight, layer.stride);
    case LayerKind::kAveragePool:
      return pool_backward(gradient, layer.input);
    case LayerKind::kLinear:
    case LayerKind::kOutput:
      return at::matmul(pad_last(gradient.flatten(1), layer.weight.size(0)), layer.weight)
          .narrow(1, 0, elements(layer.input))
          .reshape({gradient.size(0), layer.input[0], layer.input[1], layer.input[2]});
  }
  TORCH_INTERNAL_ASSERT(false);
}

/// What the first layer receives: [1, M, C, H, W] under direct coding, where the image is the same at every
/// time step and one stands for all until the first neurons have fired; [T, M, C, H, W] under rate coding.
/// @param first of the micro-batch's images in the batch that `draws` belong to
at::Tensor PlainNetwork::encoded(const at::Tensor& micro_batch, const Draws& draws,
                                 std::int64_t first) const {
  const at::Tensor normalised = micro_batch.sub(mean_).div(std_);
  if (!plan_.rate_coding) return normalised.unsqueeze(0);
  // Images that only fill the micro-batch up draw the numbers of sample 0, for nobody.
  const std::int64_t real = std::min(kMicroBatch, draws.samples.size(0) - first);
  const at::Tensor samples = padded_batch(draws.samples.narrow(0, first, real), 0, kMicroBatch).contiguous();
  return rate_coded(normalised.contiguous(), plan_.timesteps, *plan_.rate_coding, samples, draws.pass);
}

/// @param signal of encoded()
Pass PlainNetwork::forward(at::Tensor signal, const Cancellation& cancellation, bool keep_outputs) const {
  Pass pass;
  pass.membranes.resize(plan_.layers.size());
  pass.outputs.resize(plan_.layers.size());
  for (std::size_t i = 0; i < plan_.layers.size(); ++i) {
    cancellation.check();
    const LayerPlan& layer = plan_.layers[i];
    at::Tensor sums = split_time(synapses(layer, merge_time(signal)), signal.size(0));
    if (reach_[i].defined()) {
      pass.reached.push_back(reached(signal, reach_[i], i - 1));
    }
    if (shortcut_reach_[i].defined()) {
      const std::size_t from = layer.shortcut->from;
      pass.reached.push_back(reached(pass.outputs[from], shortcut_reach_[i], from));
    }
    if (layer.kind == LayerKind::kOutput) {
      pass.logits = at::zeros({signal.size(1), plan_.classes()}, signal.options());
      for (std::int64_t t = 0; t < plan_.timesteps; ++t) pass.logits.add_(sums[t].flatten(1));
      break;
    }
    if (layer.shortcut) {
      sums = sums.add(shortcut_sums(*layer.shortcut, pass.outputs[layer.shortcut->from]));
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
    if (keep_outputs || starts_shortcut_[i]) pass.outputs[i] = signal;
  }
  return pass;
}

at::Tensor PlainNetwork::backward(Pass& pass, const at::Tensor& logit_gradient,
                                  const Cancellation& cancellation) const {
  // The output layer sums over the time steps, so its gradient is the same at all of them.
  const std::int64_t batch = logit_gradient.size(0);
  at::Tensor gradient =
      synapses_backward(plan_.layers.back(), logit_gradient.view({batch, -1, 1, 1})).unsqueeze(0);
  std::vector<at::Tensor> by_shortcuts(plan_.layers.size());  // of each layer's output, where there are any
  for (std::size_t i = plan_.layers.size() - 1; i-- > 0;) {
    cancellation.check();
    const LayerPlan& layer = plan_.layers[i];
    if (by_shortcuts[i].defined()) gradient = gradient.add(std::exchange(by_shortcuts[i], {}));
    if (layer.spikes()) gradient = neurons_[i]->backward(std::move(pass.membranes[i]), gradient.contiguous());
    if (layer.shortcut) {
      const Shortcut& shortcut = *layer.shortcut;
      at::Tensor share = gradient;
      if (shortcut.weight.defined()) {
        const Shape& source = plan_.layers[shortcut.from].output;
        share = split_time(convolve_backward(merge_time(gradient), source, shortcut.weight, shortcut.stride),
                           plan_.timesteps);
      }
      at::Tensor& sum = by_shortcuts[shortcut.from];
      sum = sum.defined() ? sum.add(share) : share;
    }
    // The transposed convolution is linear and the image the same at all time steps: once for their sum. Of
    // rate coding this is the straight-through gradient.
    if (i == 0) gradient = gradient.sum(0, /*keepdim=*/true);
    gradient = split_time(synapses_backward(layer, merge_time(gradient)), gradient.size(0));
  }
  return gradient[0].div(std_);
}

void PlainNetwork::do_evaluate(const at::Tensor& images, const Draws& draws, const Cancellation& cancellation,
                               Evaluation& result) const {
  for_each_micro_batch(
      images, 0, kMicroBatch, [&](const at::Tensor& micro_batch, std::int64_t first, std::int64_t samples) {
        const Pass pass = forward(encoded(micro_batch, draws, first), cancellation, /*keep_outputs=*/false);
        result.logits.narrow(0, first, samples).copy_(pass.logits.narrow(0, 0, samples));
        copy_counts(pass, result.counts.narrow(0, first, samples));
        copy_reached(pass, result.reached.narrow(0, first, samples));
      });
}

void PlainNetwork::do_input_gradient(const at::Tensor& images, const Draws& draws, const at::Tensor& labels,
                                     const Cancellation& cancellation, LossGradient& result) const {
  for_each_micro_batch(
      images, 0, kMicroBatch, [&](const at::Tensor& micro_batch, std::int64_t first, std::int64_t samples) {
        Pass pass = forward(encoded(micro_batch, draws, first), cancellation, /*keep_outputs=*/false);
        at::Tensor label = at::zeros({kMicroBatch}, at::kLong);
        label.narrow(0, 0, samples).copy_(labels.narrow(0, first, samples));
        const CrossEntropy loss = cross_entropy(pass.logits, label);
        const at::Tensor gradient = backward(pass, loss.gradient, cancellation);
        result.gradient.narrow(0, first, samples).copy_(gradient.narrow(0, 0, samples));
        result.losses.narrow(0, first, samples).copy_(loss.losses.narrow(0, 0, samples));
        result.logits.narrow(0, first, samples).copy_(pass.logits.narrow(0, 0, samples));
        copy_counts(pass, result.counts.narrow(0, first, samples));
        copy_reached(pass, result.reached.narrow(0, first, samples));
      });
}

void PlainNetwork::do_trace(const at::Tensor& images, const Draws& draws, const Cancellation& cancellation,
                            std::vector<LayerTrace>& traces) const {
  for_each_micro_batch(
      images, 0, kMicroBatch, [&](const at::Tensor& micro_batch, std::int64_t first, std::int64_t samples) {
        const Pass pass = forward(encoded(micro_batch, draws, first), cancellation, /*keep_outputs=*/true);
        for (std::size_t i = 0; i < traces.size(); ++i) {
          traces[i].output.narrow(1, first, samples).copy_(pass.outputs[i].narrow(1, 0, samples));
          if (traces[i].membrane.defined()) {
            traces[i].membrane.narrow(1, first, samples).copy_(pass.membranes[i].narrow(1, 0, samples));
          }
        }
      });
}

void PlainNetwork::do_trace_layer(std::size_t index, const at::Tensor& input, const at::Tensor& shortcut,
                                  const Cancellation& cancellation, LayerTrace& trace) const {
  const LayerPlan& layer = plan_.layers[index];
  // Both inputs are cut into the same micro-batches.
  const at::Tensor earlier = shortcut.defined() ? padded_batch(shortcut, 1, kMicroBatch) : shortcut;
  for_each_micro_batch(
      input, 1, kMicroBatch, [&](const at::Tensor& micro_batch, std::int64_t first, std::int64_t samples) {
        cancellation.check();
        at::Tensor sums = split_time(synapses(layer, merge_time(micro_batch)), plan_.timesteps).contiguous();
        if (layer.shortcut) {
          sums = sums.add(shortcut_sums(*layer.shortcut, earlier.narrow(1, first, kMicroBatch).contiguous()));
        }
        if (!layer.spikes()) {
          trace.output.narrow(1, first, samples).copy_(sums.narrow(1, 0, samples));
          return;
        }
        trace.current.narrow(1, first, samples).copy_(sums.narrow(1, 0, samples));
        const Firing firing = neurons_[index]->fire(sums, plan_.timesteps);
        trace.membrane.narrow(1, first, samples).copy_(firing.membrane.narrow(1, 0, samples));
        trace.output.narrow(1, first, samples).copy_(firing.spikes.narrow(1, 0, samples));
      });
}

}  // namespace

std::unique_ptr<SpikingNetwork> make_plain_network(NetworkPlan plan) {
  return std::make_unique<PlainNetwork>(std::move(plan));
}

}  // namespace hire_snn
