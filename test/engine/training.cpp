#include "training.h"

#include <ATen/Functions.h>

#include <cmath>
#include <limits>
#include <string>

#include "engine/cuda/nvidia_device.h"
#include "engine/training/multistep_trainable_network.h"
#include "engine/training/optimizer.h"
#include "engine/training/plain_trainable_network.h"
#include "engine/training/trainer.h"
#include "small_networks.h"

namespace hire_snn::parity {
namespace {

/// Of the largest value of each tensor, in float64: sums in another order.
constexpr double kTolerance = 1e-10;
/// Of float32: rounding errors of sums that cancel; of an update.
constexpr double kSingleTolerance = 1e-3;
constexpr double kUpdateTolerance = 1e-6;
/// Cosine of the angle between all gradients by bfloat16 and by float32. Of an ANN, whose units are rounded; of
/// spiking networks, where spikes flip as well.
constexpr double kRectifiedCosine = 0.99;
constexpr double kSpikingCosine = 0.9;

constexpr std::uint64_t kSeed = 5;

TrainingPlan training_plan(const NetworkPlan& network, Activation activation, at::ScalarType dtype) {
  TrainingPlan plan;
  plan.network = network;
  plan.network.dtype = dtype;
  plan.activation = activation;
  plan.dropout_rate = 0.2;
  if (activation == Activation::kRectified) plan.network.timesteps = 1;
  for (LayerPlan& layer : plan.network.layers) {
    if (layer.weight.defined()) layer.weight = layer.weight.to(dtype);
    if (layer.shortcut && layer.shortcut->weight.defined()) {
      layer.shortcut->weight = layer.shortcut->weight.to(dtype);
    }
    plan.dropout.push_back(layer.spikes() && !layer.shortcut);
  }
  // In front of a pool there is none in any network of the family.
  for (std::size_t i = 0; i + 1 < plan.dropout.size(); ++i) {
    if (plan.network.layers[i + 1].kind == LayerKind::kAveragePool) plan.dropout[i] = false;
  }
  return plan;
}

TrainingBatch training_batch(const Case& each, at::ScalarType dtype) {
  std::vector<std::uint32_t> samples(static_cast<std::size_t>(each.images.size(0)));
  for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<std::uint32_t>(100 + i);
  TrainingBatch batch{each.images.to(dtype), each.labels, {kSeed, 7, std::move(samples)}};
  batch.image_gradient = true;
  return batch;
}

/// Of the largest value; infinite if a number is not finite.
double difference(const at::Tensor& found, const at::Tensor& expected) {
  const auto largest = expected.abs().max().item<double>();
  const auto apart = found.to(at::kCPU).sub(expected).abs().max().item<double>() / (largest > 0 ? largest : 1);
  return std::isfinite(apart) ? apart : std::numeric_limits<double>::infinity();
}

/// The largest difference of what a pass leaves.
double pass_difference(TrainableNetwork& tested, TrainableNetwork& reference, const TrainingBatch& batch) {
  const TrainingPass found = tested.pass(batch, {});
  const TrainingPass expected = reference.pass(batch, {});
  if (!found.counts.equal(expected.counts)) return 1;
  double worst = std::max(difference(found.logits, expected.logits), difference(found.losses, expected.losses));
  worst = std::max(worst, difference(found.image_gradient, expected.image_gradient));
  for (std::size_t i = 0; i < reference.parameters().size(); ++i) {
    const auto gradient = [&](TrainableNetwork& network) {
      return network.to_plan(i, network.parameters()[i].gradient);
    };
    worst = std::max(worst, difference(gradient(tested), gradient(reference)));
  }
  return worst;
}

/// All parameters after an update, made in the pass as far as the network does so, or behind it.
at::Tensor updated(TrainableNetwork& network, const TrainingBatch& batch, const OptimizerOptions& options,
                   bool in_pass) {
  Optimizer optimizer(options, network);
  UpdateInPass update = optimizer.begin(1e-2);
  network.pass(batch, {}, in_pass ? &update : nullptr);
  optimizer.finish(update, 1e-2);
  std::vector<at::Tensor> parts;
  for (std::size_t i = 0; i < network.parameters().size(); ++i) {
    parts.push_back(network.to_plan(i, network.parameters()[i].value).flatten());
  }
  return at::cat(parts);
}

/// All gradients of a pass in a row.
at::Tensor all_gradients(TrainableNetwork& network, const TrainingBatch& batch) {
  network.pass(batch, {});
  std::vector<at::Tensor> parts;
  for (const Parameter& parameter : network.parameters()) {
    parts.push_back(parameter.gradient.to(at::kCPU, at::kDouble).flatten());
  }
  return at::cat(parts);
}

double cosine(const at::Tensor& a, const at::Tensor& b) {
  return a.dot(b).div(a.norm().mul(b.norm())).item<double>();
}

/// Two mini-batches of HIRE in two periods, with noise that is kept.
double step_difference(const Case& each, const OptimizerOptions& optimizer, int gpu) {
  TrainingPlan plan = training_plan(each.plan, Activation::kSpiking, at::kDouble);
  plan.network.timesteps = 2 * each.plan.timesteps;
  TrainerOptions options;
  options.optimizer = optimizer;
  options.noise = {.periods = 2, .keep = true};
  options.seed = kSeed;
  options.plain = true;
  Trainer reference(plan, options);
  options.gpu = gpu;
  Trainer tested(plan, options);
  const TrainingBatch batch = training_batch(each, at::kDouble);
  double worst = 0;
  for (std::uint32_t number = 0; number < 2; ++number) {
    for (Trainer* trainer : {&reference, &tested}) {
      trainer->step(batch.images, batch.labels, batch.dropout.samples, number, 1, 1e-3, {});
    }
    for (const std::string& name : reference.state()) {
      worst = std::max(worst, difference(tested.read(name).to(at::kDouble), reference.read(name).to(at::kDouble)));
    }
  }
  return worst;
}

/// The multi-step engine beside the plain one, with every instruction set that the machine runs: training itself
/// takes the best one.
template <typename Expect>
void instruction_sets(const Case& each, const Expect& expect) {
  const TrainingPlan plan = training_plan(each.plan, Activation::kSpiking, at::kFloat);
  if (multistep_training_obstacle(plan)) return;
  for (const LayerPlan& layer : plan.network.layers) {
    if (!layer.shortcut) continue;
    TrainingPlan dropped = plan;
    std::size_t from = layer.shortcut->from;
    if (!plan.network.layers[from].spikes()) --from;
    dropped.dropout[from] = true;
    expect(multistep_training_obstacle(dropped).has_value(), "dropout where a shortcut starts is refused", 1);
  }
  const TrainingBatch batch = training_batch(each, at::kFloat);
  const auto reference = make_plain_trainable_network(plan, {});
  for (const InstructionSet set : supported_instruction_sets()) {
    if (has_matrix_units(set)) continue;
    const std::string name(name_of(set));
    const auto tested = make_multistep_trainable_network(plan, set);
    const double worst = pass_difference(*tested, *reference, batch);
    expect(worst < kSingleTolerance, name + ", float32: logits, losses and gradients differ by", worst);
    for (const auto kind : {OptimizerOptions::Kind::kSgd, OptimizerOptions::Kind::kAdam}) {
      OptimizerOptions options;
      options.kind = kind;
      options.weight_decay = 0.1;
      const auto inside = make_multistep_trainable_network(plan, set);
      const auto behind = make_multistep_trainable_network(plan, set);
      const double apart = difference(updated(*inside, batch, options, /*in_pass=*/true),
                                      updated(*behind, batch, options, /*in_pass=*/false));
      expect(apart < kUpdateTolerance, name + ", updates in the pass and behind it differ by", apart);
    }
  }
}

}  // namespace

bool run_training(std::optional<int> gpu, std::ostream& log) {
  const at::Device device = gpu ? cuda::open_gpu(*gpu) : at::Device(at::kCPU);
  bool all = true;
  const auto expect = [&](bool holds, const std::string& what, double found) {
    log << "  " << (holds ? "" : "BROKEN: ") << what << " " << found << "\n";
    all &= holds;
  };
  for (const Case& each : small_cases()) {
    log << each.name << ", training on " << device << "\n";
    for (const Activation activation : {Activation::kSpiking, Activation::kRectified}) {
      const bool spiking = activation == Activation::kSpiking;
      const std::string of = spiking ? "spiking" : "rectified";
      const TrainingPlan plan = training_plan(each.plan, activation, at::kDouble);
      const auto reference = make_plain_trainable_network(plan, {});
      const auto tested = make_plain_trainable_network(plan, {.device = device, .tensor_neurons = true});
      const double worst = pass_difference(*tested, *reference, training_batch(each, at::kDouble));
      expect(worst < kTolerance, of + ", float64: logits, losses and gradients differ by", worst);

      // Networks of a few neurons are at the mercy of one of them.
      if (each.plan.surrogate.shape != SurrogateShape::kPiecewiseLinear) continue;
      const TrainingPlan single = training_plan(each.plan, activation, at::kFloat);
      const TrainingBatch batch = training_batch(each, at::kFloat);
      const auto exact = make_plain_trainable_network(single, {});
      const auto rounded = make_plain_trainable_network(single, {.device = device, .mixed_precision = true});
      const double angle = cosine(all_gradients(*rounded, batch), all_gradients(*exact, batch));
      expect(angle > (spiking ? kSpikingCosine : kRectifiedCosine) && angle < 1,
             of + ", bfloat16 beside float32: cosine of the gradients", angle);
    }
    if (!gpu) {
      instruction_sets(each, expect);
      continue;
    }
    for (const auto kind : {OptimizerOptions::Kind::kSgd, OptimizerOptions::Kind::kAdam}) {
      OptimizerOptions optimizer;
      optimizer.kind = kind;
      optimizer.momentum = 0.9;
      const double worst = step_difference(each, optimizer, *gpu);
      // Adam divides by the gradients' sizes: rounding errors in small ones are not small in updates.
      expect(worst < 1e-6, "two mini-batches of HIRE, state differs by", worst);
    }
  }
  return all;
}

}  // namespace hire_snn::parity
