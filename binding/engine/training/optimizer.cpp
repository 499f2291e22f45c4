#include "optimizer.h"

#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "engine/large_pages.h"

namespace hire_snn {

Optimizer::Optimizer(const OptimizerOptions& options, TrainableNetwork& network)
    : options_(options), network_(network) {
  const auto& parameters = network.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const ParameterKind kind = parameters[i].kind;
    if (kind == ParameterKind::kThreshold && !options.train_thresholds) continue;
    if (kind == ParameterKind::kLeak && !options.train_leaks) continue;
    (kind == ParameterKind::kWeight ? weights_ : scalars_).push_back(i);
    const auto add = [&](const char* name) {
      moments_.push_back({name, i, zeros_in_large_pages(parameters[i].value)});
    };
    if (options.kind == OptimizerOptions::Kind::kSgd) {
      if (options.momentum != 0) add("momentum_buffer");
      continue;
    }
    add("exp_avg");
    add("exp_avg_sq");
    if (options.amsgrad) add("max_exp_avg_sq");
  }
}

std::vector<at::Tensor> Optimizer::moments(const char* name,
                                           const std::vector<std::size_t>& parameters) const {
  std::vector<at::Tensor> found;
  for (const std::size_t parameter : parameters) {
    for (const Moment& moment : moments_) {
      if (moment.parameter == parameter && std::string_view(moment.name) == name)
        found.push_back(moment.values);
    }
  }
  return found;
}

void Optimizer::update(const std::vector<std::size_t>& parameters, double weight_decay,
                       double learning_rate) {
  if (parameters.empty()) return;
  std::vector<at::Tensor> values, gradients;
  for (const std::size_t i : parameters) {
    values.push_back(network_.parameters()[i].value);
    gradients.push_back(network_.parameters()[i].gradient);
  }
  if (options_.kind == OptimizerOptions::Kind::kSgd) {
    at::_fused_sgd_(values, gradients, moments("momentum_buffer", parameters), weight_decay,
                    options_.momentum, learning_rate, /*dampening=*/0, /*nesterov=*/false, /*maximize=*/false,
                    /*is_first_step=*/steps_ == 1);
    return;
  }
  // libtorch's kernel wants the number where the values are.
  const at::Tensor step =
      at::full({}, static_cast<double>(steps_), values.front().options().dtype(at::kFloat));
  const std::vector<at::Tensor> steps(parameters.size(), step);
  at::_fused_adam_(values, gradients, moments("exp_avg", parameters), moments("exp_avg_sq", parameters),
                   moments("max_exp_avg_sq", parameters), steps, learning_rate, options_.beta1,
                   options_.beta2, weight_decay, options_.epsilon, options_.amsgrad, /*maximize=*/false);
}

UpdateInPass Optimizer::begin(double learning_rate) {
  ++steps_;
  UpdateInPass update;
  UpdateRule& rule = update.rule;
  rule.weight_decay = static_cast<float>(options_.weight_decay);
  if (options_.kind == OptimizerOptions::Kind::kSgd) {
    rule.kind = UpdateRule::Kind::kSgd;
    rule.step = static_cast<float>(learning_rate);
    rule.momentum = static_cast<float>(options_.momentum);
  } else {
    const auto steps = static_cast<double>(steps_);
    rule.kind = UpdateRule::Kind::kAdam;
    rule.step = static_cast<float>(learning_rate / (1 - std::pow(options_.beta1, steps)));
    rule.mean_share = static_cast<float>(1 - options_.beta1);
    rule.squares_kept = static_cast<float>(options_.beta2);
    rule.squares_share = static_cast<float>(1 - options_.beta2);
    rule.root_scale = static_cast<float>(1 / std::sqrt(1 - std::pow(options_.beta2, steps)));
    rule.epsilon = static_cast<float>(options_.epsilon);
  }
  update.moments.resize(network_.parameters().size());
  update.squares.resize(network_.parameters().size());
  std::vector<std::size_t> next(network_.parameters().size());
  for (const Moment& moment : moments_) {
    update.moments[moment.parameter][next[moment.parameter]++] = moment.values;
  }
  return update;
}

void Optimizer::finish(const UpdateInPass& begun, double learning_rate) {
  std::vector<std::size_t> left;
  for (const std::size_t i : weights_) {
    if (!begun.squares[i]) left.push_back(i);
  }
  update(left, options_.weight_decay, learning_rate);
  update(scalars_, 0, learning_rate);
  for (Parameter& parameter : network_.parameters()) {
    if (parameter.kind == ParameterKind::kLeak) parameter.value.clamp_max_(1);
  }
  network_.changed();
}

}  // namespace hire_snn
