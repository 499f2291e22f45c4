#include "multistep_trainable_network.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <c10/util/accumulate.h>

#include <algorithm>

#include "engine/cross_entropy.h"
#include "engine/large_pages.h"
#include "engine/multistep/batch_values.h"
#include "engine/multistep/multistep_network.h"
#include "engine/multistep/pass.h"
#include "engine/multistep/thread_team.h"
#include "engine/stage_graph.h"

namespace hire_snn {
namespace {

/// What the membranes of a pass may take. Its lists of spikes take up to half as much again.
constexpr std::int64_t kMembraneBytes = std::int64_t{2} << 30;

/// The best instruction set without matrix units: their weights are in fixed point, and would have to be
/// written anew after each step.
InstructionSet training_instruction_set() {
  std::vector<InstructionSet> sets = supported_instruction_sets();
  while (has_matrix_units(sets.back())) sets.pop_back();
  return sets.back();
}

/// The memory of packed weights as a tensor [block][tap][input][kBlock].
at::Tensor tensor_of(PackedWeights& weights) {
  const std::int64_t blocks =
      weights.values.bytes() / static_cast<std::int64_t>(sizeof(float)) / weights.per_block();
  return at::from_blob(weights.values.data(), {blocks, weights.taps, weights.inputs, kBlock}, at::kFloat);
}

class MultistepTrainableNetwork final : public TrainableNetwork {
 public:
  MultistepTrainableNetwork(TrainingPlan plan, InstructionSet set);

  void changed() override { fresh_ = false; }
  at::Tensor to_plan(std::size_t parameter, const at::Tensor& values) const override;
  at::Tensor from_plan(std::size_t parameter, const at::Tensor& values) const override;
  std::string kernels() const override { return "multistep " + std::string(name_of(instruction_set_)); }

 private:
  TrainingPass do_pass(const TrainingBatch& batch, const Cancellation& cancellation,
                       UpdateInPass* update) override;
  void refresh();
  void place_gradients(UpdateInPass* update);
  void draw_masks(const TrainingBatch& batch, std::int64_t first, std::int64_t count);
  std::size_t find(const LayerPlan& layer, const char* suffix) const { return index_of(layer.name + suffix); }

  Dropout dropout_;
  Stages stages_;
  Workspace workspace_;
  InstructionSet instruction_set_;
  std::int64_t micro_batch_;
  std::vector<ParameterPlan> plans_;
  /// A synapse, or the first stage's image, with weights.
  struct Weights {
    std::size_t parameter;
    std::size_t stage;
    std::size_t synapse;
    bool updates_in_pass;
    WeightUpdate update;
  };
  std::vector<Weights> weights_;
  ParameterGradients gradients_;
  bool fresh_ = false;  // whether what is derived from the parameters is theirs
};

MultistepTrainableNetwork::MultistepTrainableNetwork(TrainingPlan plan, InstructionSet set)
    : TrainableNetwork(std::move(plan)),
      dropout_(description_.dropout_rate),
      stages_(description_.network, Packing::kAll),
      instruction_set_(set),
      micro_batch_(std::max<std::int64_t>(1, kMembraneBytes / membrane_bytes(description_.network))),
      plans_(parameter_plans(description_)) {
  const NetworkPlan& network = description_.network;
  workspace_.stages.resize(stages_.stages.size());
  for (const Stage& stage : stages_.stages) workspace_.kept_lists.emplace_back(stage.synapses.size());
  gradients_.scalars.resize(stages_.stages.size());
  gradients_.weights.resize(stages_.stages.size());
  gradients_.updates.resize(stages_.stages.size());
  for (std::size_t i = 0; i < stages_.stages.size(); ++i) {
    Stage& stage = stages_.stages[i];
    const LayerPlan& layer = network.layers[stage.layer];
    const auto add_weights = [&](PackedWeights& weights, std::size_t which, const char* suffix,
                                 bool updates) {
      const at::Tensor values = tensor_of(weights);
      weights_.push_back({parameters_.size(), i, which, updates, {}});
      parameters_.push_back({layer.name + suffix, ParameterKind::kWeight, values,
                             updates ? at::Tensor() : zeros_in_large_pages(values)});
    };
    gradients_.weights[i].resize(std::max<std::size_t>(1, stage.synapses.size()));
    gradients_.updates[i].resize(gradients_.weights[i].size());
    if (i == 0) add_weights(stages_.image.weights, 0, ".weight", false);
    for (std::size_t s = 0; s < stage.synapses.size(); ++s) {
      Synapse& synapse = stage.synapses[s];
      if (!synapse.weights) continue;
      add_weights(*synapse.weights, s, s == 0 ? ".weight" : ".shortcut", has_one_output(stage, synapse));
    }
    if (!layer.spikes()) continue;
    const auto add_scalar = [&](const char* suffix, ParameterKind kind, double value) {
      parameters_.push_back(
          {layer.name + suffix, kind, at::full({}, value, at::kFloat), at::zeros({}, at::kFloat)});
    };
    add_scalar(".threshold", ParameterKind::kThreshold, layer.neuron.threshold);
    add_scalar(".leak", ParameterKind::kLeak, layer.neuron.leak);
  }
}

at::Tensor MultistepTrainableNetwork::to_plan(std::size_t parameter, const at::Tensor& values) const {
  const auto& shape = plans_[parameter].shape;
  if (shape.empty()) return values;
  // [block][tap][input][lane] -> [output][input][tap]
  const at::Tensor rows = values.permute({0, 3, 2, 1}).flatten(0, 1);
  const std::int64_t inputs = c10::multiply_integers(shape) / (shape[0] * values.size(1));
  return rows.narrow(0, 0, shape[0]).narrow(1, 0, inputs).reshape(shape);
}

at::Tensor MultistepTrainableNetwork::from_plan(std::size_t parameter, const at::Tensor& values) const {
  const at::Tensor& own = parameters_[parameter].value;
  if (own.dim() == 0) return values;
  const std::int64_t outputs = own.size(0) * kBlock, taps = own.size(1), inputs = own.size(2);
  const at::Tensor rows = values.to(at::kFloat).reshape({values.size(0), -1, taps});
  const at::Tensor padded =
      at::constant_pad_nd(rows, {0, 0, 0, inputs - rows.size(1), 0, outputs - rows.size(0)});
  return padded.unflatten(0, at::IntArrayRef({own.size(0), kBlock})).permute({0, 3, 2, 1}).contiguous();
}

/// Brings what the engine derives from the parameters up to date.
void MultistepTrainableNetwork::refresh() {
  if (fresh_) return;
  const NetworkPlan& network = description_.network;
  for (std::size_t i = 0; i < stages_.stages.size(); ++i) {
    Stage& stage = stages_.stages[i];
    const LayerPlan& layer = network.layers[stage.layer];
    if (i > 0 && winograd_can(layer)) {
      Synapse& synapse = stage.synapses.front();
      const int threads = at::get_num_threads();
      if (synapse.backward) {
        synapse.backward->refresh(*synapse.weights, threads);
      } else {
        synapse.backward.emplace(*synapse.weights, layer.output[0], threads);
      }
    }
    if (!layer.spikes()) continue;
    stage.threshold = parameters_[find(layer, ".threshold")].value.item<float>();
    stage.leak = parameters_[find(layer, ".leak")].value.item<float>();
    stage.least_firing = least_firing_membrane(stage.threshold);
  }
  fresh_ = true;
}

/// Draws the masks of images of a batch.
void MultistepTrainableNetwork::draw_masks(const TrainingBatch& batch, std::int64_t first,
                                           std::int64_t count) {
  const bool on = batch.training && dropout_.rate() > 0;
  for (std::size_t i = 0; i < stages_.stages.size(); ++i) {
    Stage& stage = stages_.stages[i];
    StageState& state = workspace_.stages[i];
    const LayerPlan& layer = description_.network.layers[stage.layer];
    if (!on || !description_.dropout[stage.layer]) {
      state.kept = {};
      stage.output_scale = 1;
      continue;
    }
    stage.output_scale = static_cast<float>(dropout_.scale());
    const std::int64_t words = stage.output_blocks();
    std::uint64_t* bits = state.kept.reserve(count * stage.pixels() * words);
    ThreadTeam::shared().run(count, at::get_num_threads(), [&](std::int64_t image, int) {
      dropout_.keep_bits(batch.dropout, static_cast<std::size_t>(first + image), layer.name, layer.output,
                         words, bits + image * stage.pixels() * words);
    });
  }
}

/// Says where the next pass leaves the gradients of weights.
/// @param update of those that can be changed in the pass; null if none is
void MultistepTrainableNetwork::place_gradients(UpdateInPass* update) {
  for (Weights& weights : weights_) {
    Parameter& parameter = parameters_[weights.parameter];
    float*& gradient = gradients_.weights[weights.stage][weights.synapse];
    WeightUpdate*& in_pass = gradients_.updates[weights.stage][weights.synapse];
    if (update != nullptr && weights.updates_in_pass) {
      weights.update.rule = update->rule;
      for (std::size_t i = 0; i < kMoments; ++i) {
        const at::Tensor& moment = update->moments[weights.parameter][i];
        weights.update.moments[i] = moment.defined() ? moment.mutable_data_ptr<float>() : nullptr;
      }
      weights.update.weights = parameter.value.mutable_data_ptr<float>();
      gradient = nullptr;
      in_pass = &weights.update;
      continue;
    }
    if (!parameter.gradient.defined()) parameter.gradient = zeros_in_large_pages(parameter.value);
    gradient = parameter.gradient.mutable_data_ptr<float>();
    in_pass = nullptr;
  }
}

TrainingPass MultistepTrainableNetwork::do_pass(const TrainingBatch& batch, const Cancellation& cancellation,
                                                UpdateInPass* update) {
  refresh();
  const NetworkPlan& network = description_.network;
  const std::int64_t images = batch.images.size(0);
  const int threads = at::get_num_threads();
  if (workspace_.workers.size() < static_cast<std::size_t>(threads)) {
    workspace_.workers.resize(static_cast<std::size_t>(threads));
  }
  const Engine engine{network, stages_, kernels_for(instruction_set_), threads};
  TrainingPass result;
  result.losses = at::empty({images}, at::kFloat);
  result.logits = at::empty({images, network.classes()}, at::kFloat);
  result.counts = at::empty({images, network.counted_layers(), network.timesteps}, at::kInt);
  if (batch.image_gradient) result.image_gradient = at::empty(batch.images.sizes(), at::kFloat);
  // The gradient of a part of the batch is not yet one.
  if (images > micro_batch_) update = nullptr;
  if (batch.parameter_gradients) place_gradients(update);
  gradients_.accumulate = false;
  for (std::int64_t first = 0; first < images; first += micro_batch_) {
    const std::int64_t count = std::min(micro_batch_, images - first);
    draw_masks(batch, first, count);
    load_images(network, batch.images, first, count, workspace_);
    ForwardPass(engine, workspace_, count, /*keep=*/true)
        .run(result.logits.mutable_data_ptr<float>() + first * network.classes(), cancellation);
    read_counts(network, stages_, workspace_, count,
                result.counts.mutable_data_ptr<std::int32_t>() +
                    first * network.counted_layers() * network.timesteps);
    const CrossEntropy loss =
        cross_entropy(result.logits.narrow(0, first, count), batch.labels.narrow(0, first, count));
    result.losses.narrow(0, first, count).copy_(loss.losses);
    if (!batch.parameter_gradients && !batch.image_gradient) continue;
    const at::Tensor mean_gradient = loss.gradient.div(images);
    BackwardPass(engine, workspace_, count, batch.parameter_gradients ? &gradients_ : nullptr)
        .run(mean_gradient.const_data_ptr<float>(), cancellation, batch.image_gradient);
    gradients_.accumulate = true;
    if (batch.image_gradient) {
      read_gradient(network, workspace_, count,
                    result.image_gradient.mutable_data_ptr<float>() + first * elements(network.input()));
    }
  }
  if (!batch.parameter_gradients) return result;
  for (const Weights& weights : weights_) {
    if (update != nullptr && weights.updates_in_pass)
      update->squares[weights.parameter] = weights.update.squares;
  }
  for (std::size_t i = 0; i < stages_.stages.size(); ++i) {
    const LayerPlan& layer = network.layers[stages_.stages[i].layer];
    if (!layer.spikes()) continue;
    parameters_[find(layer, ".threshold")].gradient.fill_(gradients_.scalars[i].threshold);
    parameters_[find(layer, ".leak")].gradient.fill_(gradients_.scalars[i].leak);
  }
  return result;
}

}  // namespace

std::optional<std::string> multistep_training_obstacle(const TrainingPlan& plan) {
  if (plan.activation == Activation::kRectified) return "it is an ANN";
  if (const auto obstacle = multistep_obstacle(plan.network)) return obstacle;
  for (const LayerPlan& layer : plan.network.layers) {
    if (!layer.shortcut || plan.dropout_rate == 0) continue;
    std::size_t from = layer.shortcut->from;
    while (from > 0 && !plan.network.layers[from].spikes()) --from;  // the neurons in front of a pool
    if (plan.dropout[from]) return "dropout lies where the shortcut into " + layer.name + " starts";
  }
  return std::nullopt;
}

std::unique_ptr<TrainableNetwork> make_multistep_trainable_network(TrainingPlan plan,
                                                                   std::optional<InstructionSet> set) {
  return std::make_unique<MultistepTrainableNetwork>(std::move(plan),
                                                     set.value_or(training_instruction_set()));
}

}  // namespace hire_snn
