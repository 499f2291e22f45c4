#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

namespace hire_snn {

/// What one layer of neurons shares (one scalar each, as in the checkpoints).
struct NeuronParameters {
  double threshold;
  double leak;
};

/// The piecewise-linear surrogate gradient of Bellec et al. 2018, d spike / d u = gamma * max(0, 1 - |u|),
/// with u = membrane / threshold - 1 taken before the reset.
struct PiecewiseLinearSurrogate {
  double gamma = 0.3;
};

/// What a layer of neurons did over all time steps.
struct Firing {
  at::Tensor membrane;  ///< [T, N, ...] before firing; all that the backward pass needs
  at::Tensor spikes;    ///< [T, N, ...] of 0 and 1
  at::Tensor counts;    ///< [T, N] int32, spikes of each sample
};

/// A layer of integrate-and-fire neurons with leak and soft reset, run over all time steps at once:
///
///     membrane_t = leak * potential_{t-1} + current_t,   potential_{-1} = 0
///     spike_t    = membrane_t / threshold - 1 > 0
///     potential_t = membrane_t - threshold * spike_t
///
/// Faster kernels are further implementations of this interface; the plain one defines what they have to
/// compute.
class NeuronLayer {
 public:
  virtual ~NeuronLayer() = default;

  /// @param currents [T, N, ...] contiguous, overwritten by the membranes; or [1, N, ...] for a current that
  /// is the same at
  ///   every time step (the first layer under direct coding), which is left alone
  virtual Firing fire(at::Tensor currents, std::int64_t timesteps) const = 0;

  /// Turns the gradient by the spikes into the gradient by the currents, back-propagated through time. No
  /// gradient flows through the reset.
  ///
  /// @param membrane [T, N, ...] of fire(), overwritten by the result
  /// @param spike_gradient [T, N, ...], or [1, N, ...] where it is the same at every time step
  /// @returns [T, N, ...], in the memory of `membrane`
  virtual at::Tensor backward(at::Tensor membrane, const at::Tensor& spike_gradient) const = 0;
};

/// The reference implementation, in the precision of `dtype` (float32 or float64): one rounding per operation
/// of the formulas above, in their order.
std::unique_ptr<NeuronLayer> make_plain_neuron_layer(NeuronParameters parameters,
                                                     PiecewiseLinearSurrogate surrogate,
                                                     at::ScalarType dtype);

}  // namespace hire_snn
