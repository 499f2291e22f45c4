#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "calibration.h"
#include "engine/spiking_network.h"
#include "optimizer.h"

namespace hire_snn {

/// How HIRE-SNN trains on crafted noise (Kundu et al., ICCV 2021, figure 6): the time steps are split into
/// periods of equal length, each one forward pass of its own with a backward pass and an update. The first
/// period sees the clean image, each later one the image + noise, clipped to [0, 1]; before it,
///
///     noise = clip(noise + step * sign(gradient), -bound, bound)
struct NoiseOptions {
  std::int64_t periods = 1;  ///< 1: traditional training
  double step = 8.0 / 255;   ///< in pixel units
  double bound = 8.0 / 255;
  /// Whether the gradient is that of a pass of its own, with the updated parameters on the period before's
  /// images, instead of the period before's.
  bool recompute = false;
  /// Whether the noise is carried from one mini-batch to the next, by place in the batch, instead of
  /// beginning at zero.
  bool keep = false;
};

struct TrainerOptions {
  OptimizerOptions optimizer;
  NoiseOptions noise;
  std::uint64_t seed = 0;
  bool plain = false;  ///< whether the engine of libtorch's dense layers is asked for
  /// Index of the GPU to train on, with libtorch's dense layers; empty for the CPU.
  std::optional<int> gpu;
  bool mixed_precision = false;  ///< see DenseTrainingOptions; of dense layers alone
};

/// What one mini-batch did.
struct TrainingStep {
  std::vector<double> losses;         ///< mean loss of each period
  std::vector<std::int64_t> correct;  ///< of each period: samples whose first largest logit is the label's
  std::vector<std::int64_t> spikes;   ///< per counted layer, over samples and all time steps, before dropout
  double gradient_norm = 0;           ///< of all parameters together, in the last period
};

/// A network with its optimizer and method.
class Trainer {
 public:
  /// Throws CodedError INVALID_ARGUMENT if the time steps cannot be split into the periods;
  /// DEVICE_UNAVAILABLE.
  Trainer(TrainingPlan plan, const TrainerOptions& options);

  /// Trains on one mini-batch: a pass and an update for every period.
  ///
  /// @param number of the mini-batch from the beginning of the training on: it is part of the dropout's key
  /// @param epoch from 1: which draws rate coding shows, with the period and wherever in the epoch the
  /// mini-batch is
  /// Throws CodedError TRAINING_FAILED with the layer's name if a loss or gradient is not finite. A part of
  /// the update may have been made by then, as by one that was cancelled.
  TrainingStep step(const at::Tensor& images, const at::Tensor& labels, std::vector<std::uint32_t> samples,
                    std::uint32_t number, std::uint32_t epoch, double learning_rate,
                    const Cancellation& cancellation);

  /// A pass without update; see TrainableNetwork.
  TrainingPass pass(const TrainingBatch& batch, const Cancellation& cancellation);
  /// Throws CodedError INVALID_ARGUMENT if no pass() was made since the last step().
  void update(double learning_rate);

  /// The network as it is, over all time steps and without dropout; of rate coding it sees pass 0.
  /// @param samples indices of the images, of rate coding
  Evaluation evaluate(const at::Tensor& images, const std::vector<std::uint32_t>& samples,
                      const Cancellation& cancellation);

  /// Sets the thresholds that find_thresholds() finds on the CPU, on the dense layers if they are asked for
  /// there, and returns them.
  std::vector<double> calibrate(const at::Tensor& images, const std::vector<std::uint32_t>& samples,
                                CalibrationOptions options, const Cancellation& cancellation);

  /// Names of all that a training that goes on has to be given: parameters; moments as in
  /// "conv1.weight/exp_avg"; "optimizer/steps"; "noise", if it is kept.
  std::vector<std::string> state() const;
  /// One of these, in the plan's layout, or a gradient, as in "conv1.weight/gradient", of the last pass() if
  /// no step() was made since then: a step does not keep all of its gradients.
  at::Tensor read(const std::string& name) const;
  void write(const std::string& name, const at::Tensor& values);

  /// Bytes of the CPU's memory that parameters, gradients and moments take.
  std::int64_t host_bytes() const;

  const TrainableNetwork& network() const { return *network_; }
  std::vector<double> scalars(ParameterKind kind) const;

 private:
  struct Place {
    std::size_t parameter;
    at::Tensor values;
  };

  Place find(const std::string& name) const;
  void check_finite(const TrainingPass& pass, const UpdateInPass& update);
  void craft_noise(const at::Tensor& gradient, at::Tensor& noise) const;

  std::unique_ptr<SpikingNetwork> evaluating(NetworkPlan plan) const;

  TrainerOptions options_;
  at::Device device_;       // where mini-batches are trained on
  std::int64_t timesteps_;  // of all periods
  std::unique_ptr<TrainableNetwork> network_;
  Optimizer optimizer_;
  at::Tensor noise_;                           // of the mini-batch before, if it is kept
  std::unique_ptr<SpikingNetwork> evaluated_;  // null once a parameter has changed
  double gradient_norm_ = 0;
  bool has_gradients_ = false;  // whether the parameters have those of a pass()
};

}  // namespace hire_snn
