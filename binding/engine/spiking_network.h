#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cancellation.h"
#include "network_plan.h"

namespace hire_snn {

/// One forward pass over a batch.
struct Evaluation {
  at::Tensor logits;  ///< [N, classes]: sums over the time steps
  at::Tensor counts;  ///< [N, counted layers, T] int32: spikes; for a pool, its outputs that are not zero
  /// [N, counted synapses, 2] int64: the pixels of the output that inputs reach, added up over the inputs
  /// that are not zero and the time steps; then the same with each input as often as neurons have fired for
  /// it: behind a pool up to four times, otherwise once. Times the output's channels: synaptic operations.
  at::Tensor reached;
};

/// One forward and backward pass over a batch.
struct LossGradient {
  at::Tensor gradient;  ///< [N, C, H, W] of the summed losses by the pixels
  at::Tensor losses;    ///< [N]
  at::Tensor logits;    ///< [N, classes]
  at::Tensor counts;    ///< [N, counted layers, T] int32, as of Evaluation
  at::Tensor reached;   ///< [N, counted synapses, 2] int64, as of Evaluation
};

/// What one layer received and did, for inspection.
struct LayerTrace {
  at::Tensor current;   ///< [T, N, ...]; only from trace_layer()
  at::Tensor membrane;  ///< [T, N, ...] before firing; undefined for a pool
  at::Tensor output;    ///< [T, N, ...] spikes, or a pool's means
};

/// How one layer is computed, and what the last pass over it took.
struct LayerProfile {
  std::string name;
  std::string forward = {};   ///< the kernel: "events", "winograd", "dense", ...
  std::string backward = {};  ///< "winograd", "products", "dense", ...
  double density = 0;         ///< share of the layer's inputs that were not zero; 0 where it is not counted
  double forward_seconds = 0;
  double backward_seconds = 0;  ///< with the neurons of the layer before
};

/// A feed-forward network of integrate-and-fire neurons under direct coding (the normalised image is the
/// input of the first layer at every time step) or rate coding (see RateCoding). It is computed layer by
/// layer, each over all time steps, which gives what the original's loop over time steps gives because no
/// layer delays its spikes.
///
/// For every layer of neurons, with potential_{-1} = 0 and u taken before the reset:
///
///     membrane_t  = leak * potential_{t-1} + current_t
///     u_t         = membrane_t / threshold - 1
///     spike_t     = u_t > 0
///     potential_t = membrane_t - threshold * spike_t
///
/// and backwards, with no gradient through the reset:
///
///     d current_t = d spike_t * surrogate'(membrane_t) + leak * d current_{t+1}
///
/// By the image: the transposed first layer applied to the sum of d current_t over time, divided by the
/// standard deviation. Of rate coding that is the straight-through gradient; the derivative of the code
/// itself is zero.
///
/// The same interface computes the ANN twin (NeuronKind::kRelu): one time step, where `membrane` is the
/// weighted sum, `spike` is max(0, sum), and outputs above 0 are counted.
///
/// A sample's bits depend neither on its neighbours in the batch nor on the number of threads.
class SpikingNetwork {
 public:
  virtual ~SpikingNetwork() = default;

  /// @param images [N, C, H, W] in the network's dtype
  /// @param draws of rate coding; nothing else looks at them
  Evaluation evaluate(const at::Tensor& images, const Cancellation& cancellation,
                      const Draws& draws = {}) const;

  /// The gradient of the cross-entropy of each sample.
  /// @param labels [N] int64
  LossGradient input_gradient(const at::Tensor& images, const at::Tensor& labels,
                              const Cancellation& cancellation, const Draws& draws = {}) const;

  /// What every layer but the output did; one entry per counted layer.
  std::vector<LayerTrace> trace(const at::Tensor& images, const Cancellation& cancellation,
                                const Draws& draws = {}) const;

  /// Runs one counted layer on a given input.
  /// @param input [T, N, C, H, W]
  /// @param shortcut [T, N, C, H, W]: the output of the layer where a shortcut into this one starts; of a
  /// layer without one, undefined
  LayerTrace trace_layer(std::size_t layer, const at::Tensor& input, const at::Tensor& shortcut,
                         const Cancellation& cancellation) const;

  const NetworkPlan& plan() const { return plan_; }

  /// What decides the bits besides the plan: "plain", "multistep avx512", ...
  virtual std::string kernels() const = 0;

  /// One entry for each layer with weights. Times are of the last micro-batch.
  virtual std::vector<LayerProfile> profile() const = 0;

  /// Memory that the weights take as they are kept.
  virtual std::int64_t weight_bytes() const = 0;

 protected:
  /// Throws CodedError NETWORK_INVALID if the plan contradicts itself.
  explicit SpikingNetwork(NetworkPlan plan);

  NetworkPlan plan_;
  std::int64_t counted_synapses_;

 private:
  // The arguments of these have been checked, and the results have their shapes: what is left is to fill
  // them.
  virtual void do_evaluate(const at::Tensor& images, const Draws& draws, const Cancellation& cancellation,
                           Evaluation& result) const = 0;
  virtual void do_input_gradient(const at::Tensor& images, const Draws& draws, const at::Tensor& labels,
                                 const Cancellation& cancellation, LossGradient& result) const = 0;
  virtual void do_trace(const at::Tensor& images, const Draws& draws, const Cancellation& cancellation,
                        std::vector<LayerTrace>& traces) const = 0;
  virtual void do_trace_layer(std::size_t layer, const at::Tensor& input, const at::Tensor& shortcut,
                              const Cancellation& cancellation, LayerTrace& trace) const = 0;

  at::Tensor empty_logits(std::int64_t images) const;
  at::Tensor empty_counts(std::int64_t images) const;
  at::Tensor empty_reached(std::int64_t images) const;
  LayerTrace empty_trace(const LayerPlan& layer, std::int64_t images, bool with_current) const;
  void check_images(const at::Tensor& images) const;
  Draws checked_draws(const Draws& draws, std::int64_t images) const;
  void check_layer_input(const at::Tensor& input, const Shape& shape, const std::string& target) const;
};

}  // namespace hire_snn
