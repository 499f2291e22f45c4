#include "training.h"

#include <ATen/Functions.h>

#include <cmath>
#include <limits>
#include <string>

#include "engine/cuda/nvidia_device.h"
#include "engine/training/plain_trainable_network.h"
#include "engine/training/trainer.h"
#include "small_networks.h"

namespace hire_snn::parity {
namespace {

/// Of the largest value of each tensor, in float64: sums in another order.
constexpr double kTolerance = 1e-10;
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
    worst = std::max(worst, difference(tested.parameters()[i].gradient, reference.parameters()[i].gradient));
  }
  return worst;
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
    if (!gpu) continue;
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
