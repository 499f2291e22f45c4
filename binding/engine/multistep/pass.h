#pragma once

#include "engine/cancellation.h"
#include "workspace.h"

namespace hire_snn {

/// What the passes of one network have in common.
struct Engine {
  const NetworkPlan& plan;
  const Stages& stages;
  const Kernels& kernels;
  int threads;
};

/// Computes the spikes of `images` images from the pixels in the workspace.
class ForwardPass {
 public:
  /// @param keep whether the membranes are kept for a gradient
  ForwardPass(const Engine& engine, Workspace& workspace, std::int64_t images, bool keep);

  /// @param logits [image][class]
  void run(float* logits, const Cancellation& cancellation);

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
  void synapse(std::size_t stage, const Synapse& synapse, bool first, End end);
  void events(std::size_t stage, const Synapse& synapse, bool first, End end);
  void winograd(std::size_t stage, const Synapse& synapse, End end);
  void fire(std::size_t stage, std::int64_t block, std::int64_t output, float* sums);
  void count(std::size_t stage);
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
  BackwardPass(const Engine& engine, Workspace& workspace, std::int64_t images);

  /// @param logit_gradient [image][class]
  /// The result is the workspace's image_gradient, by the normalised pixels.
  void run(const float* logit_gradient, const Cancellation& cancellation);

 private:
  void start(const float* logit_gradient);
  void synapse(std::size_t stage, const Synapse& synapse, bool last);
  void winograd(std::size_t stage, const Synapse& synapse, bool last);
  void products(std::size_t stage, const Synapse& synapse, bool last);
  void copy(std::size_t stage, const Synapse& synapse);
  void decay(std::size_t stage, std::int64_t image, float* gradient) const;
  void deliver(const Synapse& synapse, bool last, std::int64_t block, std::int64_t image, std::int64_t pixel,
               float* gradient, WorkerScratch& scratch);
  void neurons(std::size_t stage, std::int64_t block, std::int64_t image, std::int64_t pixel,
               const float* gradient, float scale, WorkerScratch& scratch);
  void unpooled_pixels(const Synapse& synapse);
  void image_gradient();

  const Engine& engine_;
  Workspace& workspace_;
  std::int64_t images_;
};

}  // namespace hire_snn
