#include "multistep_network.h"

#include <ATen/Parallel.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numeric>

#include "batch_values.h"
#include "engine/cross_entropy.h"
#include "engine/error.h"
#include "pass.h"

namespace hire_snn {
namespace {

/// Images that are computed together at most. A sample's bits do not depend on it: more would fill the cores
/// no better, and the memory of a pass grows with it.
constexpr std::int64_t kMicroBatch = 32;

/// What the membranes of a micro-batch may take.
constexpr std::int64_t kMembraneBytes = std::int64_t{1} << 30;

class MultistepNetwork final : public SpikingNetwork {
 public:
  MultistepNetwork(NetworkPlan plan, const MultistepOptions& options);

  std::vector<LayerProfile> profile() const override;
  std::int64_t weight_bytes() const override { return stages_.bytes(); }
  std::string kernels() const override;

 private:
  void do_evaluate(const at::Tensor& images, const Draws& draws, const Cancellation& cancellation,
                   Evaluation& result) const override;
  void do_input_gradient(const at::Tensor& images, const Draws& draws, const at::Tensor& labels,
                         const Cancellation& cancellation, LossGradient& result) const override;
  void do_trace(const at::Tensor& images, const Draws& draws, const Cancellation& cancellation,
                std::vector<LayerTrace>& traces) const override;
  void do_trace_layer(std::size_t layer, const at::Tensor& input, const at::Tensor& shortcut,
                      const Cancellation& cancellation, LayerTrace& trace) const override;

  template <typename Work>
  void for_each_micro_batch(std::int64_t images, const Work& work) const;
  void choose(Synapse& synapse, const LayerPlan& layer, ForwardKernel forward, BackwardKernel backward);
  Engine engine() const;
  double density(const Synapse& synapse) const;
  void read_reached(std::int64_t images, std::int64_t* reached) const;
  at::Tensor read_values(std::size_t stage, std::int64_t images, const float* constant_membranes) const;
  at::Tensor read_spikes(std::size_t stage, std::int64_t images) const;
  at::Tensor first_membranes(std::int64_t images) const;
  LayerTrace trace_first_layer(const at::Tensor& input) const;

  Stages stages_;
  InstructionSet instruction_set_;
  std::int64_t micro_batch_;
  // Passes of one network come one after the other; the lock is for those who share it between threads.
  mutable std::mutex in_use_;
  mutable Workspace workspace_;
};

/// 2x2 means of [timestep, image, channel, height, width].
at::Tensor pooled(const at::Tensor& values) {
  return at::avg_pool2d(values.flatten(0, 1), {2, 2}, {2, 2})
      .unflatten(0, at::IntArrayRef({values.size(0), values.size(1)}));
}

MultistepNetwork::MultistepNetwork(NetworkPlan plan, const MultistepOptions& options)
    : SpikingNetwork(std::move(plan)),
      stages_(plan_, Packing::kShortcuts),
      instruction_set_(options.instruction_set ? *options.instruction_set : best_instruction_set()),
      micro_batch_(std::clamp<std::int64_t>(kMembraneBytes / membrane_bytes(plan_), 1, kMicroBatch)) {
  kernels_for(instruction_set_);  // refuses what the machine does not have
  const bool matrix_units = has_matrix_units(instruction_set_);
  const ForwardKernel forward =
      options.forward.value_or(matrix_units ? ForwardKernel::kLevels : ForwardKernel::kEvents);
  const BackwardKernel backward =
      options.backward.value_or(matrix_units ? BackwardKernel::kDigits : BackwardKernel::kWinograd);
  for (Stage& stage : stages_.stages) {
    if (!stage.synapses.empty()) {
      choose(stage.synapses.front(), plan_.layers[stage.layer], forward, backward);
    }
  }
  workspace_.stages.resize(stages_.stages.size());
  for (LayerPlan& layer : plan_.layers) {
    layer.weight.reset();  // its values are in the stages
    if (layer.shortcut) layer.shortcut->weight.reset();
  }
}

void MultistepNetwork::choose(Synapse& synapse, const LayerPlan& layer, ForwardKernel forward,
                              BackwardKernel backward) {
  const int threads = at::get_num_threads();
  const at::Tensor weight = layer.weight.to(at::kFloat).contiguous();
  const std::int64_t inputs = synapse.input[0];
  if (forward == ForwardKernel::kLevels) {
    synapse.levels = level_weights(layer, synapse.connections, inputs, threads);
  }
  const bool in_digits = backward == BackwardKernel::kDigits;
  if (backward != BackwardKernel::kProducts && winograd_can(layer)) {
    synapse.backward.emplace(weight, in_digits, threads);
  } else if (in_digits) {
    synapse.turned = turned_weights(layer, synapse.connections, inputs, threads);
  }
  if (!synapse.levels || !(synapse.backward || synapse.turned)) {
    synapse.weights = packed_weights(layer.weight, synapse.input, synapse.connections, threads);
  }
}

Engine MultistepNetwork::engine() const {
  const int threads = at::get_num_threads();
  if (workspace_.workers.size() < static_cast<std::size_t>(threads)) {
    workspace_.workers.resize(static_cast<std::size_t>(threads));
  }
  return {plan_, stages_, kernels_for(instruction_set_), threads};
}

std::vector<LayerProfile> MultistepNetwork::profile() const {
  const std::lock_guard lock(in_use_);
  std::vector<LayerProfile> profiles;
  for (std::size_t i = 0; i < stages_.stages.size(); ++i) {
    const Stage& stage = stages_.stages[i];
    const StageState& state = workspace_.stages[i];
    LayerProfile profile{.name = plan_.layers[stage.layer].name,
                         .forward_seconds = state.forward_seconds,
                         .backward_seconds = state.backward_seconds};
    if (i == 0) {
      profile.forward = profile.backward = "direct";
      profile.density = 1;
    } else {
      const Synapse& synapse = stage.synapses.front();
      profile.forward = synapse.levels ? "levels" : "events";
      profile.backward = synapse.backward ? synapse.backward->digits ? "winograd with digits" : "winograd"
                         : synapse.turned ? "digits"
                                          : "products";
      profile.density = density(synapse);
    }
    profiles.push_back(std::move(profile));
  }
  return profiles;
}

/// The share of a synapse's inputs that were not zero in the last pass.
double MultistepNetwork::density(const Synapse& synapse) const {
  const StageState& source = workspace_.stages[synapse.source];
  const auto& counts = synapse.pooled ? source.active_means : source.active;
  if (counts.empty()) return 0;
  return std::accumulate(counts.begin(), counts.end(), 0.0) /
         (static_cast<double>(counts.size()) * static_cast<double>(elements(synapse.input)));
}

std::string MultistepNetwork::kernels() const {
  std::string text = "multistep " + std::string(name_of(instruction_set_));
  const auto list = [&](const char* title, const auto& belongs) {
    const char* separator = title;
    for (const Stage& stage : stages_.stages) {
      if (stage.synapses.empty() || !belongs(stage.synapses.front())) continue;
      text += separator + plan_.layers[stage.layer].name;
      separator = ", ";
    }
  };
  list("; forward by levels: ", [](const Synapse& synapse) { return synapse.levels.has_value(); });
  list("; backward by Winograd: ", [](const Synapse& synapse) { return synapse.backward.has_value(); });
  list("; backward in digits: ", [](const Synapse& synapse) {
    return synapse.turned.has_value() || (synapse.backward && synapse.backward->digits);
  });
  return text;
}

template <typename Work>
void MultistepNetwork::for_each_micro_batch(std::int64_t images, const Work& work) const {
  const std::lock_guard lock(in_use_);
  for (std::int64_t first = 0; first < images; first += micro_batch_) {
    work(first, std::min(micro_batch_, images - first));
  }
}

/// @param reached [image][counted synapse][2]
void MultistepNetwork::read_reached(std::int64_t images, std::int64_t* reached) const {
  for (std::int64_t image = 0; image < images; ++image) {
    for (std::int64_t synapse = 0; synapse < counted_synapses_; ++synapse) {
      reached = std::copy_n(workspace_.reached.data() + (synapse * images + image) * 2, 2, reached);
    }
  }
}

void MultistepNetwork::do_evaluate(const at::Tensor& images, const Draws& /*draws*/,
                                   const Cancellation& cancellation, Evaluation& result) const {
  for_each_micro_batch(images.size(0), [&](std::int64_t first, std::int64_t count) {
    load_images(plan_, images, first, count, workspace_);
    const Engine engine = this->engine();
    ForwardPass(engine, workspace_, count, /*keep=*/false)
        .run(result.logits.mutable_data_ptr<float>() + first * plan_.classes(), cancellation);
    read_counts(
        plan_, stages_, workspace_, count,
        result.counts.mutable_data_ptr<std::int32_t>() + first * plan_.counted_layers() * plan_.timesteps);
    read_reached(count, result.reached.mutable_data_ptr<std::int64_t>() + first * counted_synapses_ * 2);
  });
}

void MultistepNetwork::do_input_gradient(const at::Tensor& images, const Draws& /*draws*/,
                                         const at::Tensor& labels, const Cancellation& cancellation,
                                         LossGradient& result) const {
  for_each_micro_batch(images.size(0), [&](std::int64_t first, std::int64_t count) {
    load_images(plan_, images, first, count, workspace_);
    const Engine engine = this->engine();
    ForwardPass(engine, workspace_, count, /*keep=*/true)
        .run(result.logits.mutable_data_ptr<float>() + first * plan_.classes(), cancellation);
    read_counts(
        plan_, stages_, workspace_, count,
        result.counts.mutable_data_ptr<std::int32_t>() + first * plan_.counted_layers() * plan_.timesteps);
    read_reached(count, result.reached.mutable_data_ptr<std::int64_t>() + first * counted_synapses_ * 2);
    CrossEntropy loss = cross_entropy(result.logits.narrow(0, first, count), labels.narrow(0, first, count));
    result.losses.narrow(0, first, count).copy_(loss.losses);
    const std::vector<float> scales = take_scales(loss.gradient);
    BackwardPass(engine, workspace_, count).run(loss.gradient.const_data_ptr<float>(), cancellation);
    float* gradient = result.gradient.mutable_data_ptr<float>() + first * elements(plan_.input());
    read_gradient(plan_, workspace_, count, gradient);
    give_scales(scales, elements(plan_.input()), gradient);
  });
}

/// [timestep, image, channel, height, width] of the currents or membranes of a stage behind the first.
/// @param from [block][image][pixel][timestep][kBlock]
at::Tensor MultistepNetwork::read_values(std::size_t index, std::int64_t images, const float* from) const {
  const auto [channels, height, width] = stages_.stages[index].output;
  const std::int64_t timesteps = plan_.timesteps;
  const std::int64_t pixels = height * width;
  at::Tensor result = at::empty({timesteps, images, channels, height, width}, at::kFloat);
  float* to = result.mutable_data_ptr<float>();
  for (std::int64_t t = 0; t < timesteps; ++t) {
    for (std::int64_t image = 0; image < images; ++image) {
      for (std::int64_t c = 0; c < channels; ++c) {
        const float* values =
            from + ((c / kBlock * images + image) * pixels * timesteps + t) * kBlock + c % kBlock;
        for (std::int64_t pixel = 0; pixel < pixels; ++pixel) *to++ = values[pixel * timesteps * kBlock];
      }
    }
  }
  return result;
}

at::Tensor MultistepNetwork::read_spikes(std::size_t index, std::int64_t images) const {
  const auto [channels, height, width] = stages_.stages[index].output;
  const std::int64_t timesteps = plan_.timesteps;
  const SpikeMap& spikes = workspace_.stages[index].spikes;
  at::Tensor result = at::empty({timesteps, images, channels, height, width}, at::kFloat);
  float* to = result.mutable_data_ptr<float>();
  for (std::int64_t t = 0; t < timesteps; ++t) {
    for (std::int64_t image = 0; image < images; ++image) {
      for (std::int64_t c = 0; c < channels; ++c) {
        for (std::int64_t pixel = 0; pixel < height * width; ++pixel) {
          const std::uint64_t word = spikes.at(image, pixel)[t * spikes.words + c / 64];
          *to++ = static_cast<float>(word >> (c % 64) & 1);
        }
      }
    }
  }
  return result;
}

/// The membranes of the first stage, from its constant current.
at::Tensor MultistepNetwork::first_membranes(std::int64_t images) const {
  const Stage& stage = stages_.stages.front();
  const std::int64_t timesteps = plan_.timesteps;
  const std::int64_t neurons = stage.output_blocks() * images * stage.pixels();
  AlignedBuffer<float> membranes(neurons * timesteps * kBlock);
  std::vector<std::uint64_t> spikes(static_cast<std::size_t>(timesteps));
  for (std::int64_t i = 0; i < neurons; ++i) {
    kernels_for(instruction_set_)
        .fire({.currents = workspace_.stages.front().values.data() + i * kBlock,
               .current_stride = 0,
               .membrane = membranes.data() + i * timesteps * kBlock,
               .spikes = spikes.data(),
               .spike_stride = 1,
               .timesteps = timesteps,
               .threshold = stage.threshold,
               .leak = stage.leak,
               .least_firing = stage.least_firing});
  }
  return read_values(0, images, membranes.data());
}

void MultistepNetwork::do_trace(const at::Tensor& images, const Draws& /*draws*/,
                                const Cancellation& cancellation, std::vector<LayerTrace>& traces) const {
  const auto put = [](at::Tensor& whole, const at::Tensor& part, std::int64_t first) {
    whole.narrow(1, first, part.size(1)).copy_(part);
  };
  std::vector<float> logits(static_cast<std::size_t>(micro_batch_ * plan_.classes()));
  for_each_micro_batch(images.size(0), [&](std::int64_t first, std::int64_t count) {
    load_images(plan_, images, first, count, workspace_);
    const Engine engine = this->engine();
    ForwardPass(engine, workspace_, count, /*keep=*/true).run(logits.data(), cancellation);
    for (std::size_t i = 0; i + 1 < stages_.stages.size(); ++i) {
      const Stage& stage = stages_.stages[i];
      const at::Tensor spikes = read_spikes(i, count);
      put(traces[stage.layer].output, spikes, first);
      put(traces[stage.layer].membrane,
          i == 0 ? first_membranes(count) : read_values(i, count, workspace_.stages[i].values.data()), first);
      if (stage.pool) put(traces[*stage.pool].output, pooled(spikes), first);
    }
  });
}

/// Runs the first layer on inputs that differ from time step to time step: each step is an image of its own,
/// and only the neurons see the time.
/// @param input [timestep, image, channel, height, width]
LayerTrace MultistepNetwork::trace_first_layer(const at::Tensor& input) const {
  const std::int64_t steps = input.size(0) * input.size(1);
  const at::Tensor channels_last = input.flatten(0, 1).permute({0, 2, 3, 1}).contiguous();
  std::copy_n(channels_last.const_data_ptr<float>(), channels_last.numel(),
              workspace_.image.reserve(channels_last.numel()));
  const Engine engine = this->engine();
  ForwardPass(engine, workspace_, steps, /*keep=*/true).image_currents();

  const Stage& stage = stages_.stages.front();
  const auto [channels, height, width] = stage.output;
  const std::int64_t pixels = height * width;
  LayerTrace trace;
  trace.current = at::empty({input.size(0), input.size(1), channels, height, width}, at::kFloat);
  trace.membrane = at::empty_like(trace.current);
  trace.output = at::empty_like(trace.current);
  float* current = trace.current.mutable_data_ptr<float>();
  for (std::int64_t step = 0; step < steps; ++step) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const float* values = workspace_.stages.front().values.data() +
                            (c / kBlock * steps + step) * pixels * kBlock + c % kBlock;
      for (std::int64_t pixel = 0; pixel < pixels; ++pixel) *current++ = values[pixel * kBlock];
    }
  }
  current = trace.current.mutable_data_ptr<float>();
  float* membrane = trace.membrane.mutable_data_ptr<float>();
  float* output = trace.output.mutable_data_ptr<float>();
  const std::int64_t neurons = input.size(1) * channels * pixels;
  for (std::int64_t neuron = 0; neuron < neurons; ++neuron) {
    float potential = 0;
    for (std::int64_t at = neuron; at < neurons * input.size(0); at += neurons) {
      membrane[at] = stage.leak * potential + current[at];
      output[at] = membrane[at] >= stage.least_firing ? 1.0F : 0.0F;
      potential = output[at] != 0 ? membrane[at] - stage.threshold : membrane[at];
    }
  }
  return trace;
}

void MultistepNetwork::do_trace_layer(std::size_t layer, const at::Tensor& input, const at::Tensor& shortcut,
                                      const Cancellation& cancellation, LayerTrace& trace) const {
  const std::int64_t timesteps = plan_.timesteps;
  const std::int64_t batch = input.size(1);
  if (plan_.layers[layer].kind == LayerKind::kAveragePool) {
    trace.output.copy_(pooled(input));
    return;
  }
  std::size_t index = 0;
  while (stages_.stages[index].layer != layer) ++index;
  const Stage& stage = stages_.stages[index];
  for_each_micro_batch(batch, [&](std::int64_t first, std::int64_t count) {
    cancellation.check();
    const at::Tensor part = input.narrow(1, first, count);
    const Engine engine = this->engine();
    if (index == 0) {
      const LayerTrace some = trace_first_layer(part);
      trace.current.narrow(1, first, count).copy_(some.current);
      trace.membrane.narrow(1, first, count).copy_(some.membrane);
      trace.output.narrow(1, first, count).copy_(some.output);
      return;
    }
    ForwardPass pass(engine, workspace_, count, /*keep=*/true);
    for (std::size_t s = 0; s < stage.synapses.size(); ++s) {
      const Synapse& synapse = stage.synapses[s];
      const auto [in_channels, in_height, in_width] = synapse.input;
      const at::Tensor incoming = s == 0 ? part : shortcut.narrow(1, first, count);
      workspace_.stages[synapse.source].spikes.bits = nullptr;  // the lists are not to be made of them
      const at::Tensor values = incoming.reshape({timesteps, count, in_channels, in_height, in_width});
      if (synapse.levels) {
        workspace_.levels.build(synapse, values);
      } else {
        workspace_.lists.build(values, synapse.pooled);
      }
      pass.currents(index, s);
    }
    const float* values = workspace_.stages[index].values.data();
    trace.current.narrow(1, first, count).copy_(read_values(index, count, values));
    pass.fire(index);
    trace.membrane.narrow(1, first, count).copy_(read_values(index, count, values));
    trace.output.narrow(1, first, count).copy_(read_spikes(index, count));
  });
}

}  // namespace

std::optional<std::string> multistep_obstacle(const NetworkPlan& plan) {
  if (plan.dtype != at::kFloat) return "it computes in float32 only";
  if (plan.neurons != NeuronKind::kSpiking) return "it computes spiking neurons only";
  if (plan.rate_coding) return "it shows the same image at every time step, which rate coding does not";
  if (const auto pool = pool_without_neurons(plan)) {
    return "there is no layer of neurons in front of " + *pool;
  }
  return std::nullopt;
}

std::unique_ptr<SpikingNetwork> make_multistep_network(NetworkPlan plan, const MultistepOptions& options) {
  return std::make_unique<MultistepNetwork>(std::move(plan), options);
}

}  // namespace hire_snn
