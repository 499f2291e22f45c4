#pragma once

#include <vector>

#include "trainable_network.h"

namespace hire_snn {

struct OptimizerOptions {
  enum class Kind { kSgd, kAdam };
  Kind kind = Kind::kAdam;
  double momentum = 0;      ///< of SGD
  double weight_decay = 0;  ///< L2, of the weights: thresholds and leaks do not decay
  double beta1 = 0.9;       ///< of Adam
  double beta2 = 0.999;
  double epsilon = 1e-8;
  bool amsgrad = true;
  bool train_thresholds = true;  ///< whether thresholds change
  bool train_leaks = true;
};

/// SGD and Adam as torch.optim.SGD and torch.optim.Adam: of what a pass has not changed, by libtorch's fused
/// kernels.
class Optimizer {
 public:
  /// A state beside a parameter, in the parameter's layout.
  struct Moment {
    const char* name;  ///< as in torch.optim's states: "exp_avg", "momentum_buffer"
    std::size_t parameter;
    at::Tensor values;
  };

  /// @param network whose parameters are changed; has to outlive the optimizer
  Optimizer(const OptimizerOptions& options, TrainableNetwork& network);

  /// Begins an update: what the pass that finds the gradients may change weights with.
  UpdateInPass begin(double learning_rate);
  /// Changes the parameters that the pass has not by their gradients, and holds leaks at 1 or below.
  void finish(const UpdateInPass& begun, double learning_rate);

  const std::vector<Moment>& moments() const { return moments_; }
  /// Updates that were made; part of the state.
  std::int64_t steps() const { return steps_; }
  void set_steps(std::int64_t steps) { steps_ = steps; }

 private:
  void update(const std::vector<std::size_t>& parameters, double weight_decay, double learning_rate);
  std::vector<at::Tensor> moments(const char* name, const std::vector<std::size_t>& parameters) const;

  OptimizerOptions options_;
  TrainableNetwork& network_;
  std::vector<std::size_t> weights_;
  std::vector<std::size_t> scalars_;
  std::vector<Moment> moments_;
  std::int64_t steps_ = 0;
};

}  // namespace hire_snn
