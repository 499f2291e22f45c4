#include "trainer.h"

#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>

#include "engine/cuda/cuda_network.h"
#include "engine/cuda/nvidia_device.h"
#include "engine/error.h"
#include "engine/multistep/multistep_network.h"
#include "engine/plain/plain_network.h"
#include "multistep_trainable_network.h"
#include "plain_trainable_network.h"

namespace hire_snn {
namespace {

constexpr const char* kSteps = "optimizer/steps";
constexpr const char* kNoise = "noise";

std::unique_ptr<TrainableNetwork> trainable_network(TrainingPlan plan, const TrainerOptions& options,
                                                    at::Device device) {
  const NoiseOptions& noise = options.noise;
  if (noise.periods < 1 || plan.network.timesteps % noise.periods != 0) {
    throw CodedError("INVALID_ARGUMENT", "Expected a number of periods that divides the " +
                                             std::to_string(plan.network.timesteps) +
                                             " time steps but received " + std::to_string(noise.periods));
  }
  plan.network.timesteps /= noise.periods;
  const bool dense = options.plain || options.mixed_precision || !device.is_cpu();
  if (!dense && !multistep_training_obstacle(plan)) return make_multistep_trainable_network(std::move(plan));
  return make_plain_trainable_network(std::move(plan), {device, options.mixed_precision});
}

std::int64_t count_correct(const at::Tensor& logits, const at::Tensor& labels) {
  return logits.argmax(1).eq(labels).sum().item<std::int64_t>();
}

/// libtorch computes a norm of everything on one thread, but those of rows on all.
double norm_of(const at::Tensor& values) {
  if (values.dim() < 2) return at::linalg_vector_norm(values).item<double>();
  return at::linalg_vector_norm(at::linalg_vector_norm(values.flatten(1), 2, 1)).item<double>();
}

}  // namespace

Trainer::Trainer(TrainingPlan plan, const TrainerOptions& options)
    : options_(options),
      device_(options.gpu ? cuda::open_gpu(*options.gpu) : at::Device(at::kCPU)),
      timesteps_(plan.network.timesteps),
      network_(trainable_network(std::move(plan), options, device_)),
      optimizer_(options.optimizer, *network_) {}

TrainingPass Trainer::pass(const TrainingBatch& batch, const Cancellation& cancellation) {
  TrainingPass result = network_->pass(batch, cancellation);
  has_gradients_ = has_gradients_ || batch.parameter_gradients;
  return result;
}

void Trainer::update(double learning_rate) {
  if (!has_gradients_) {
    throw CodedError("INVALID_ARGUMENT",
                     "Expected a pass before its update but received no gradients of one");
  }
  optimizer_.finish(optimizer_.begin(learning_rate), learning_rate);
  evaluated_.reset();
}

/// A NaN in the weights would silence the neurons behind it, and nothing more would be seen.
void Trainer::check_finite(const TrainingPass& pass, const UpdateInPass& update) {
  const auto advice = [](const std::string& what) {
    return CodedError("TRAINING_FAILED",
                      "Expected finite numbers but found NaN or infinity in " + what +
                          ": train with a smaller learning rate, or from thresholds found on "
                          "training images");
  };
  double squares = 0;
  const auto& parameters = network_->parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const double norm = update.squares[i] ? std::sqrt(*update.squares[i]) : norm_of(parameters[i].gradient);
    if (!std::isfinite(norm)) throw advice("the gradient of " + parameters[i].name);
    squares += norm * norm;
  }
  gradient_norm_ = std::sqrt(squares);
  if (!std::isfinite(pass.losses.sum().item<double>())) {
    throw advice("the loss, behind " + network_->description().network.layers.back().name);
  }
}

void Trainer::craft_noise(const at::Tensor& gradient, at::Tensor& noise) const {
  noise =
      noise.add(gradient.sign().mul(options_.noise.step)).clamp(-options_.noise.bound, options_.noise.bound);
}

TrainingStep Trainer::step(const at::Tensor& given, const at::Tensor& labels,
                           std::vector<std::uint32_t> samples, std::uint32_t number, std::uint32_t epoch,
                           double learning_rate, const Cancellation& cancellation) {
  const NoiseOptions& noise = options_.noise;
  const auto periods = static_cast<std::uint32_t>(noise.periods);
  const at::Tensor images = given.to(device_);
  TrainingBatch batch{images, labels, {options_.seed, 0, std::move(samples)}};
  if (!(noise.keep && noise_.defined() && noise_.sizes() == images.sizes())) noise_ = at::zeros_like(images);
  evaluated_.reset();
  has_gradients_ = false;
  TrainingStep result;
  result.spikes.resize(static_cast<std::size_t>(network_->description().network.counted_layers()));
  for (std::uint32_t period = 0; period < periods; ++period) {
    const bool last = period + 1 == periods;
    // Every pass has a number of its own: two for each period, of which the second is a recomputation's.
    batch.dropout.pass = 2 * (number * periods + period);
    batch.draw = 2 * (epoch * periods + period);
    batch.parameter_gradients = true;
    batch.image_gradient = !last && !noise.recompute;
    UpdateInPass update = optimizer_.begin(learning_rate);
    TrainingPass pass = network_->pass(batch, cancellation, &update);
    check_finite(pass, update);
    result.gradient_norm = gradient_norm_;
    result.losses.push_back(pass.losses.to(at::kDouble).mean().item<double>());
    result.correct.push_back(count_correct(pass.logits, labels));
    const at::Tensor counts = pass.counts.sum({0, 2}, /*keepdim=*/false, at::kLong);
    for (std::size_t i = 0; i < result.spikes.size(); ++i) {
      result.spikes[i] += counts[static_cast<std::int64_t>(i)].item<std::int64_t>();
    }
    optimizer_.finish(update, learning_rate);
    if (last) break;
    if (noise.recompute) {
      ++batch.dropout.pass;
      ++batch.draw;
      batch.parameter_gradients = false;
      batch.image_gradient = true;
      pass = network_->pass(batch, cancellation);
    }
    craft_noise(pass.image_gradient, noise_);
    batch.images = images.add(noise_).clamp(0, 1);
  }
  return result;
}

std::unique_ptr<SpikingNetwork> Trainer::evaluating(NetworkPlan plan) const {
  if (options_.gpu && !cuda::cuda_obstacle(plan)) {
    auto device = cuda::make_nvidia_device(*options_.gpu, {plan.surrogate, /*tf32=*/false});
    return cuda::make_cuda_network(std::move(plan), std::move(device));
  }
  if (options_.plain || multistep_obstacle(plan)) return make_plain_network(std::move(plan));
  return make_multistep_network(std::move(plan), {});
}

Evaluation Trainer::evaluate(const at::Tensor& images, const std::vector<std::uint32_t>& samples,
                             const Cancellation& cancellation) {
  const TrainingPlan& description = network_->description();
  if (description.activation == Activation::kRectified) {
    TrainingBatch batch{images, at::zeros({images.size(0)}, at::kLong), {}};
    batch.dropout.samples.resize(static_cast<std::size_t>(images.size(0)));
    batch.parameter_gradients = batch.training = false;
    TrainingPass pass = network_->pass(batch, cancellation);
    return {pass.logits, pass.counts, {}};
  }
  if (!evaluated_) {
    NetworkPlan plan = network_->plan();
    plan.timesteps = timesteps_;
    evaluated_ = evaluating(std::move(plan));
  }
  return evaluated_->evaluate(images, cancellation, {sample_indices(samples)});
}

std::vector<double> Trainer::calibrate(const at::Tensor& images, const std::vector<std::uint32_t>& samples,
                                       CalibrationOptions options, const Cancellation& cancellation) {
  options.plain = options_.plain;
  const std::vector<double> found =
      find_thresholds(network_->plan(), images, sample_indices(samples), options, cancellation);
  std::size_t next = 0;
  for (Parameter& parameter : network_->parameters()) {
    if (parameter.kind == ParameterKind::kThreshold) parameter.value.fill_(found[next++]);
  }
  network_->changed();
  evaluated_.reset();
  return found;
}

std::int64_t Trainer::host_bytes() const {
  std::int64_t bytes = 0;
  const auto add = [&](const at::Tensor& tensor) {
    if (tensor.defined() && tensor.is_cpu()) bytes += static_cast<std::int64_t>(tensor.nbytes());
  };
  for (const Parameter& parameter : network_->parameters()) {
    add(parameter.value);
    add(parameter.gradient);
  }
  for (const auto& moment : optimizer_.moments()) add(moment.values);
  return bytes;
}

std::vector<std::string> Trainer::state() const {
  std::vector<std::string> names;
  const auto& parameters = network_->parameters();
  for (const Parameter& parameter : parameters) names.push_back(parameter.name);
  for (const auto& moment : optimizer_.moments()) {
    names.push_back(parameters[moment.parameter].name + "/" + moment.name);
  }
  names.emplace_back(kSteps);
  if (options_.noise.keep && noise_.defined()) names.emplace_back(kNoise);
  return names;
}

Trainer::Place Trainer::find(const std::string& name) const {
  const auto& parameters = network_->parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (parameters[i].name == name) return {i, parameters[i].value};
    if (has_gradients_ && parameters[i].name + "/gradient" == name) return {i, parameters[i].gradient};
  }
  for (const auto& moment : optimizer_.moments()) {
    if (parameters[moment.parameter].name + "/" + moment.name == name)
      return {moment.parameter, moment.values};
  }
  throw CodedError("INVALID_ARGUMENT", "Expected a tensor of this training but received the name " + name);
}

at::Tensor Trainer::read(const std::string& name) const {
  if (name == kSteps) return at::scalar_tensor(optimizer_.steps(), at::kInt);
  const auto copy = [](const at::Tensor& values) {
    return values.to(at::kCPU, values.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
  };
  if (name == kNoise && noise_.defined()) return copy(noise_);
  const Place place = find(name);
  return copy(network_->to_plan(place.parameter, place.values));
}

void Trainer::write(const std::string& name, const at::Tensor& values) {
  evaluated_.reset();
  if (name == kSteps) {
    optimizer_.set_steps(values.item<std::int64_t>());
    return;
  }
  if (name == kNoise) {
    const at::ScalarType dtype = network_->description().network.dtype;
    noise_ = values.to(device_, dtype, /*non_blocking=*/false, /*copy=*/true);
    return;
  }
  const Place place = find(name);
  const at::Tensor shaped = network_->to_plan(place.parameter, place.values);
  if (shaped.sizes() != values.sizes()) {
    throw CodedError("INVALID_ARGUMENT", "Expected " + c10::str(shaped.sizes()) + " for " + name +
                                             " but received " + c10::str(values.sizes()));
  }
  at::Tensor(place.values).copy_(network_->from_plan(place.parameter, values));
  network_->changed();
}

std::vector<double> Trainer::scalars(ParameterKind kind) const {
  std::vector<double> values;
  for (const Parameter& parameter : network_->parameters()) {
    if (parameter.kind == kind) values.push_back(parameter.value.item<double>());
  }
  return values;
}

}  // namespace hire_snn
