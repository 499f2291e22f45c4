#pragma once

#include <memory>
#include <vector>

#include "cancellation.h"
#include "network_plan.h"

namespace hire_snn {

/// One forward pass over a batch.
struct Evaluation {
  at::Tensor logits;  ///< [N, classes]: sums over the time steps
  at::Tensor counts;  ///< [N, counted layers, T] int32: spikes; for a pool, its outputs that are not zero
};

/// One forward and backward pass over a batch.
struct LossGradient {
  at::Tensor gradient;  ///< [N, C, H, W] of the summed losses by the pixels
  at::Tensor losses;    ///< [N]
  at::Tensor logits;    ///< [N, classes]
};

/// What one layer received and did, for inspection.
struct LayerTrace {
  at::Tensor current;   ///< [T, N, ...]; only from trace_layer()
  at::Tensor membrane;  ///< [T, N, ...] before firing; undefined for a pool
  at::Tensor output;    ///< [T, N, ...] spikes, or a pool's means
};

/// A feed-forward network of integrate-and-fire neurons under direct coding: the normalised image is the
/// input of the first layer at every time step. It is computed layer by layer, each over all time steps,
/// which gives what the original's loop over time steps gives because no layer delays its spikes.
///
/// Note [Micro-batches]. libtorch's convolutions and matrix products choose their kernels, and with them the
/// order of their sums, by the size of the batch, so a sample's bits would depend on how many others it is
/// computed with. Every call into libtorch therefore has one fixed batch size: a batch is cut into
/// micro-batches of kMicroBatch images, the last one padded with zeros. Within one, each image's sums have
/// the same order at every position: true of libtorch's convolutions, and of its matrix products where both
/// dimensions of the weight are multiples of 16 (with 9 or 33 inputs, say, every fourth row is summed in
/// another order), so weights of linear layers are padded with zeros to that.
class SpikingNetwork {
 public:
  static constexpr std::int64_t kMicroBatch = 8;

  /// Throws CodedError NETWORK_INVALID if the plan contradicts itself.
  explicit SpikingNetwork(NetworkPlan plan);
  ~SpikingNetwork();

  /// @param images [N, C, H, W] in the network's dtype
  Evaluation evaluate(const at::Tensor& images, const Cancellation& cancellation) const;

  /// The gradient of the cross-entropy of each sample.
  /// @param labels [N] int64
  LossGradient input_gradient(const at::Tensor& images, const at::Tensor& labels,
                              const Cancellation& cancellation) const;

  /// What every layer but the output did; one entry per counted layer.
  std::vector<LayerTrace> trace(const at::Tensor& images, const Cancellation& cancellation) const;

  /// Runs one counted layer on a given input.
  /// @param input [T, N, C, H, W]
  LayerTrace trace_layer(std::size_t layer, const at::Tensor& input, const Cancellation& cancellation) const;

  const NetworkPlan& plan() const { return plan_; }
  std::int64_t counted_layers() const;

 private:
  struct Pass;

  at::Tensor normalise(const at::Tensor& images) const;
  at::Tensor synapses(const LayerPlan& layer, const at::Tensor& input) const;
  at::Tensor synapses_backward(const LayerPlan& layer, const at::Tensor& gradient) const;
  Pass forward(const at::Tensor& micro_batch, const Cancellation& cancellation, bool keep_outputs) const;
  at::Tensor backward(Pass& pass, const at::Tensor& logit_gradient, const Cancellation& cancellation) const;
  void check_images(const at::Tensor& images) const;

  NetworkPlan plan_;
  std::vector<std::unique_ptr<NeuronLayer>> neurons_;  // null where a layer does not spike
  at::Tensor mean_;                                    // [C, 1, 1]
  at::Tensor std_;
};

}  // namespace hire_snn
