#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "engine/network_plan.h"
#include "engine/neuron_step.h"

namespace hire_snn {

/// What a layer of neurons did over all time steps.
struct Firing {
  at::Tensor membrane;  ///< [T, N, ...] before firing; all that the backward pass needs
  at::Tensor spikes;    ///< [T, N, ...] of 0 and 1
  at::Tensor counts;    ///< [T, N] int32, spikes of each sample
};

/// A layer of integrate-and-fire neurons with leak and soft reset, run over all time steps at once in the
/// precision of its dtype (float32 or float64): one rounding per operation of the formulas at SpikingNetwork,
/// in their order.
class PlainNeuronLayer {
 public:
  virtual ~PlainNeuronLayer() = default;

  /// @param currents [T, N, ...] contiguous, overwritten by the membranes; or [1, N, ...] for a current that
  /// is the same at
  ///   every time step (the first layer under direct coding), which is left alone
  virtual Firing fire(at::Tensor currents, std::int64_t timesteps) const = 0;

  /// Turns the gradient by the spikes into the gradient by the currents, back-propagated through time. No
  /// gradient flows through the reset.
  ///
  /// @param membrane [T, N, ...] of fire(), which may be overwritten by the result
  /// @param spike_gradient [T, N, ...], or [1, N, ...] where it is the same at every time step
  /// @returns [T, N, ...], possibly in the memory of `membrane`
  virtual at::Tensor backward(at::Tensor membrane, const at::Tensor& spike_gradient) const = 0;

  /// backward() with the gradients by the layer's threshold and leak, which are summed in double precision in
  /// an order that does not depend on the number of threads.
  virtual at::Tensor train_backward(at::Tensor membrane, const at::Tensor& spike_gradient,
                                    ScalarGradients<double>& scalars) const = 0;
};

/// Rectified linear units in place of the neurons, for one time step: `membrane` is the weighted sum,
/// `spikes` is max(0, sum), and a sample's count is that of its outputs above 0.
std::unique_ptr<PlainNeuronLayer> make_relu_layer();

std::unique_ptr<PlainNeuronLayer> make_plain_neuron_layer(NeuronParameters parameters,
                                                          const Surrogate& surrogate, at::ScalarType dtype);

}  // namespace hire_snn
