#include "trainable_network.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/labels.h"
#include "engine/philox.h"

namespace hire_snn {

void TrainingPlan::check() const {
  network.check();
  if (dropout.size() != network.layers.size()) {
    throw CodedError("NETWORK_INVALID", "Expected for each of " + std::to_string(network.layers.size()) +
                                            " layers whether dropout follows it but found " +
                                            std::to_string(dropout.size()));
  }
  if (activation == Activation::kRectified && network.timesteps != 1) {
    throw CodedError("NETWORK_INVALID",
                     "Expected one time step for an ANN but found " + std::to_string(network.timesteps));
  }
  if (activation == Activation::kRectified && network.rate_coding) {
    throw CodedError("NETWORK_INVALID", "Expected direct coding for an ANN but found rate coding");
  }
}

std::vector<ParameterPlan> parameter_plans(const TrainingPlan& plan) {
  std::vector<ParameterPlan> parameters;
  for (std::size_t i = 0; i < plan.network.layers.size(); ++i) {
    const LayerPlan& layer = plan.network.layers[i];
    if (!layer.weight.defined()) continue;
    const auto add = [&](const char* suffix, ParameterKind kind, std::vector<std::int64_t> shape,
                         bool shortcut) {
      parameters.push_back({layer.name + suffix, kind, std::move(shape), i, shortcut});
    };
    add(".weight", ParameterKind::kWeight, layer.weight.sizes().vec(), false);
    if (layer.shortcut && layer.shortcut->weight.defined()) {
      add(".shortcut", ParameterKind::kWeight, layer.shortcut->weight.sizes().vec(), true);
    }
    if (!layer.spikes() || plan.activation == Activation::kRectified) continue;
    add(".threshold", ParameterKind::kThreshold, {}, false);
    add(".leak", ParameterKind::kLeak, {}, false);
  }
  return parameters;
}

at::Tensor initial_weight(const TrainingPlan& plan, const ParameterPlan& parameter, std::uint64_t seed) {
  const bool convolution = parameter.shape.size() == 4;
  const double spread =
      convolution
          ? std::sqrt(2.0 / static_cast<double>(parameter.shape[2] * parameter.shape[3] * parameter.shape[0]))
          : 0.01;
  at::Tensor weight = at::empty(parameter.shape, at::kDouble);
  auto* values = weight.mutable_data_ptr<double>();
  const std::int64_t count = weight.numel();
  const std::uint32_t stream = random_stream("initial/" + parameter.name);
  at::parallel_for(0, (count + 3) / 4, 1 << 14, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) {
      const auto words = philox4x32({static_cast<std::uint32_t>(block), 0, stream, 0}, seed);
      double normal[4];
      for (std::size_t pair = 0; pair < 4; pair += 2) {
        // (0, 1]: the logarithm of 0 is kept out.
        const double u = (static_cast<double>(words[pair]) + 1) * 0x1p-32;
        const double angle = 2 * M_PI * (static_cast<double>(words[pair + 1]) * 0x1p-32);
        const double radius = std::sqrt(-2 * std::log(u));
        normal[pair] = radius * std::cos(angle);
        normal[pair + 1] = radius * std::sin(angle);
      }
      for (std::int64_t i = 4 * block; i < std::min(count, 4 * block + 4); ++i) {
        values[i] = spread * normal[i % 4];
      }
    }
  });
  return weight.to(plan.network.dtype);
}

TrainableNetwork::TrainableNetwork(TrainingPlan plan) : description_(std::move(plan)) {
  description_.check();
}

std::size_t TrainableNetwork::index_of(const std::string& name) const {
  const auto found = std::find_if(parameters_.begin(), parameters_.end(),
                                  [&](const Parameter& parameter) { return parameter.name == name; });
  TORCH_INTERNAL_ASSERT(found != parameters_.end(), "no parameter ", name);
  return static_cast<std::size_t>(found - parameters_.begin());
}

TrainingPass TrainableNetwork::pass(const TrainingBatch& batch, const Cancellation& cancellation,
                                    UpdateInPass* update) {
  const NetworkPlan& plan = description_.network;
  const auto& [channels, height, width] = plan.input();
  const at::Tensor& images = batch.images;
  if (images.dim() != 4 || images.size(0) < 1 || images.size(1) != channels || images.size(2) != height ||
      images.size(3) != width || images.scalar_type() != plan.dtype) {
    throw CodedError("INVALID_ARGUMENT", "Expected images [N, " + to_string(plan.input()) + "] of " +
                                             c10::toString(plan.dtype) + " but received " +
                                             c10::str(images.sizes()) + " of " +
                                             c10::toString(images.scalar_type()));
  }
  check_labels(batch.labels, images.size(0), plan.classes());
  if (static_cast<std::int64_t>(batch.dropout.samples.size()) != images.size(0)) {
    throw CodedError("INVALID_ARGUMENT", "Expected the indices of " + std::to_string(images.size(0)) +
                                             " samples but received " +
                                             std::to_string(batch.dropout.samples.size()));
  }
  return do_pass(batch, cancellation, update);
}

NetworkPlan TrainableNetwork::plan() const {
  NetworkPlan plan = description_.network;
  const auto plans = parameter_plans(description_);
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const at::Tensor values = to_plan(i, parameters_[i].value).to(at::kCPU);
    LayerPlan& layer = plan.layers[plans[i].layer];
    switch (plans[i].kind) {
      case ParameterKind::kWeight:
        (plans[i].shortcut ? layer.shortcut->weight : layer.weight) = values;
        break;
      case ParameterKind::kThreshold:
        layer.neuron.threshold = values.item<double>();
        break;
      case ParameterKind::kLeak:
        layer.neuron.leak = values.item<double>();
        break;
    }
  }
  return plan;
}

}  // namespace hire_snn
