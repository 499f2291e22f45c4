#pragma once

#include <array>

#include "engine/cancellation.h"
#include "engine/neuron_step.h"
#include "workspace.h"

namespace hire_snn {

/// What the passes of one network have in common.
struct Engine {
  const NetworkPlan& plan;
  const Stages& stages;
  const Kernels& kernels;
  int threads;
};

/// What a backward pass changes the weights of a synapse with, instead of leaving their gradient.
struct WeightUpdate {
  UpdateRule rule;
  std::array<float*, kMoments> moments;  ///< in the layout of the weights, or null
  float* weights;                        ///< the synapse's own
  double squares = 0;                    ///< set: the sum of the squares of the gradients
};

/// Where a backward pass leaves the gradients of a network's parameters.
struct ParameterGradients {
  /// By stage and synapse, in the layout of the synapse's PackedWeights; null where it has none, and where
  /// there is an update. Of the first stage, whose only input is the image, the first one.
  std::vector<std::vector<float*>> weights;
  /// By stage and synapse, where there is to be an update; only where has_one_output(). The batch has to be
  /// whole.
  std::vector<std::vector<WeightUpdate*>> updates;
  std::vector<ScalarGradients<double>> scalars;  ///< by stage
  bool accumulate = false;                       ///< whether they are added to what is there
};

/// Whether a synapse leads to one pixel alone, which has a tap for each pixel of its input, as that of a
/// linear layer.
bool has_one_output(const Stage& stage, const Synapse& synapse);

/// Computes the spikes of `images` images from the pixels in the workspace.
class ForwardPass {
 public:
  /// @param keep whether the membranes are kept for a gradient
  ForwardPass(const Engine& engine, Workspace& workspace, std::int64_t images, bool keep);

  /// @param logits [image][class]
  void run(float* logits, const Cancellation& cancellation);

  /// Runs one stage on the spikes of those before it, or the first one on the pixels: its neurons, or the
  /// sums of the output layer.
  void stage(std::size_t stage);
  /// Runs one synapse of a stage behind the first on the lists in the workspace; the currents, not the
  /// membranes, are left in StageState::values. The first synapse starts the sums, the next one adds to them.
  void currents(std::size_t stage, std::size_t synapse);
  /// Runs the neurons of a stage on the currents in StageState::values, which become the membranes.
  void fire(std::size_t stage);
  /// Of the first stage: weighs the pixels of the workspace, all of them for each of its neurons.
  void image_currents();

 private:
  enum class End { kSums, kNeurons };

  bool sums_in_memory(std::size_t stage) const;
  void prepare(std::size_t stage);
  void first_stage();
  void synapse(std::size_t stage, std::size_t synapse, End end);
  void events(std::size_t stage, std::size_t synapse, End end);
  void levels(std::size_t stage, const Synapse& synapse, End end);
  void fire(std::size_t stage, std::int64_t block, std::int64_t output, float* sums);
  void count(std::size_t stage);
  void drop_out(std::size_t stage);
  void read_logits(float* logits);
  float* values(std::size_t stage, std::int64_t block, std::int64_t output) const;

  const Engine& engine_;
  Workspace& workspace_;
  std::int64_t images_;
  bool keep_;
};

/// Carries the gradient by the logits back to the pixels, after a ForwardPass that kept its membranes.
class BackwardPass {
 public:
  /// @param gradients of the parameters, if they are wanted; the workspace has to have kept its lists then
  BackwardPass(const Engine& engine, Workspace& workspace, std::int64_t images,
               ParameterGradients* gradients = nullptr);

  /// @param logit_gradient [image][class]
  /// @param by_image whether the workspace's image_gradient, by the normalised pixels, is wanted
  void run(const float* logit_gradient, const Cancellation& cancellation, bool by_image = true);

 private:
  /// Whether a stage's neurons are run as in training, also without gradients of parameters: behind dropout.
  bool trains(const StageState& state) const { return gradients_ != nullptr || !state.kept.empty(); }

  void start(const float* logit_gradient);
  void synapse(std::size_t stage, std::size_t synapse, bool last);
  void winograd(std::size_t stage, const Synapse& synapse, bool last);
  void products(std::size_t stage, const Synapse& synapse, bool last);
  void linear(std::size_t stage, std::size_t synapse, bool last);
  void digit_products(std::size_t stage, const Synapse& synapse, bool last);
  void copy(std::size_t stage, const Synapse& synapse);
  void decay(std::size_t stage, std::int64_t image, float* gradient) const;
  void deliver(const Synapse& synapse, bool last, std::int64_t block, std::int64_t image, std::int64_t pixel,
               float* gradient, WorkerScratch& scratch);
  void neurons(std::size_t stage, std::int64_t block, std::int64_t image, std::int64_t pixel,
               const float* gradient, float scale, WorkerScratch& scratch);
  void unpooled_pixels(const Synapse& synapse);
  void image_gradient();
  WeightGradientTask weight_gradient_task(std::size_t stage, std::size_t synapse) const;
  void weight_gradient(std::size_t stage, std::size_t synapse);
  void image_weight_gradient();
  void sum_scalars(std::size_t stage);

  const Engine& engine_;
  Workspace& workspace_;
  std::int64_t images_;
  ParameterGradients* gradients_;
};

}  // namespace hire_snn
