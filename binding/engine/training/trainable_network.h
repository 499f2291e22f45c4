#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dropout.h"
#include "engine/cancellation.h"
#include "engine/network_plan.h"
#include "engine/update_rule.h"

namespace hire_snn {

/// What a layer does with its weighted sums.
enum class Activation {
  kSpiking,    ///< integrate-and-fire neurons over the time steps
  kRectified,  ///< max(0, sum), in one step: the ANN twin of a spiking network
};

/// A network as training sees it.
struct TrainingPlan {
  NetworkPlan network;  ///< with its first parameters; of a rectified one, timesteps is 1
  Activation activation = Activation::kSpiking;
  std::vector<char> dropout;  ///< per layer: whether a mask lies behind its neurons
  double dropout_rate = 0;

  /// Throws CodedError NETWORK_INVALID if the plan contradicts itself.
  void check() const;
};

enum class ParameterKind { kWeight, kThreshold, kLeak };

/// One tensor that training changes, and its gradient of the last pass that did not change it. Both lie in
/// memory as the network computes with them, see TrainableNetwork::to_plan().
struct Parameter {
  std::string name;  ///< the layer's, and ".weight", ".shortcut", ".threshold" or ".leak"
  ParameterKind kind;
  at::Tensor value;
  at::Tensor gradient;  ///< undefined as long as there was none, of a weight that passes may change
};

/// Lets a pass change weights as soon as it has their gradients and needs them no more, so that the gradients
/// need not be kept. Which it does so is up to the network.
struct UpdateInPass {
  UpdateRule rule;
  std::vector<std::array<at::Tensor, kMoments>> moments;  ///< by parameter, in its layout
  /// By parameter: set for those that the pass has changed, to the sum of the squares of their gradients.
  std::vector<std::optional<double>> squares;
};

/// What one pass is made on.
struct TrainingBatch {
  at::Tensor images;  ///< [N, C, H, W] in the network's dtype, on any device that is the network's or the CPU
  at::Tensor labels;  ///< [N] int64
  DropoutKey dropout;      ///< its samples are also those of rate coding
  std::uint32_t draw = 0;  ///< of rate coding: the pass, see RateCoding
  bool parameter_gradients = true;
  bool image_gradient = false;
  bool training = true;  ///< whether dropout is on
};

/// What one pass found.
struct TrainingPass {
  at::Tensor losses;  ///< [N], cross-entropy
  at::Tensor logits;  ///< [N, classes]
  at::Tensor counts;  ///< [N, counted layers, T] int32: as of Evaluation, before dropout
  /// [N, C, H, W] of the mean loss by the pixels, if it was asked for; where the images are.
  at::Tensor image_gradient;
};

/// A network whose parameters have gradients. With the formulas at SpikingNetwork, and the gradient g_t =
/// d spike_t * surrogate'(membrane_t) by the membrane, the scalars of a layer have
///
///     d leak      = sum over neurons and t of d current_t * potential_{t-1}
///     d threshold = sum of -g_t * membrane_t / threshold - leak * d current_{t+1} * spike_t
///
/// (on the absolute scale of a surrogate -g_t instead of -g_t * membrane_t / threshold). Gradients are those
/// of the mean of the losses.
class TrainableNetwork {
 public:
  virtual ~TrainableNetwork() = default;

  /// The order is that of the layers. Tensors stay the same objects; values may be changed between passes,
  /// and changed() is called then.
  std::vector<Parameter>& parameters() { return parameters_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }

  /// A forward and backward pass with dropout; leaves the gradients in parameters(). One that was stopped
  /// leaves them undefined.
  /// @param update if given, some weights may be changed instead, also by a pass that is then stopped
  TrainingPass pass(const TrainingBatch& batch, const Cancellation& cancellation,
                    UpdateInPass* update = nullptr);

  /// Tells that the values of the parameters have changed.
  virtual void changed() {}

  /// A tensor of a parameter's layout (its value, its gradient, an optimizer's moment) in the plan's layout.
  virtual at::Tensor to_plan(std::size_t parameter, const at::Tensor& values) const = 0;
  /// The reverse; `values` has the plan's shape.
  virtual at::Tensor from_plan(std::size_t parameter, const at::Tensor& values) const = 0;

  /// The network's plan with the present parameters, to be evaluated.
  NetworkPlan plan() const;

  const TrainingPlan& description() const { return description_; }
  /// What computes it: "plain", "multistep avx512".
  virtual std::string kernels() const = 0;

 protected:
  /// Throws CodedError NETWORK_INVALID if the plan contradicts itself.
  explicit TrainableNetwork(TrainingPlan plan);

  /// The place of a parameter in parameters().
  std::size_t index_of(const std::string& name) const;

  TrainingPlan description_;
  std::vector<Parameter> parameters_;

 private:
  // The arguments have been checked; counts is to be filled.
  virtual TrainingPass do_pass(const TrainingBatch& batch, const Cancellation& cancellation,
                               UpdateInPass* update) = 0;
};

/// The shape in the plan, name and kind of every parameter of a network, in the order of parameters().
struct ParameterPlan {
  std::string name;
  ParameterKind kind;
  std::vector<std::int64_t> shape;
  std::size_t layer;
  bool shortcut;
};
std::vector<ParameterPlan> parameter_plans(const TrainingPlan& plan);

/// Initial weights of the original: of a convolution N(0, sqrt(2 / (k k C_out))), of a linear layer N(0,
/// 0.01); shortcuts are convolutions. Drawn by the Box-Muller transform from Philox4x32-10: key = the seed,
/// counter = (element / 4, 0, FNV-1a of "initial/" and the parameter's name, 0).
at::Tensor initial_weight(const TrainingPlan& plan, const ParameterPlan& parameter, std::uint64_t seed);

}  // namespace hire_snn
