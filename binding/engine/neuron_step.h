#pragma once

#include "surrogate_value.h"

// The arithmetic of one neuron at one time step, the same source for every compiler. Each operation is
// rounded by itself: compile without contraction of a * b + c.
namespace hire_snn {

/// The membrane before firing, from the potential that the step before left.
template <typename scalar>
HIRE_SNN_HOST_DEVICE inline scalar integrate(scalar leak, scalar potential, scalar current) {
  return leak * potential + current;
}

/// The potential that is left behind: a soft reset.
template <typename scalar>
HIRE_SNN_HOST_DEVICE inline scalar reset(scalar membrane, scalar threshold, bool fires) {
  return fires ? membrane - threshold : membrane;
}

/// The gradient by the current, from that by the spike and that by the current of the next time step.
/// @param relative the surrogate's scale is SurrogateScale::kThreshold
template <SurrogateShape shape, typename scalar>
HIRE_SNN_HOST_DEVICE inline scalar current_gradient(scalar spike_gradient, scalar membrane, scalar threshold,
                                                    scalar leak, scalar a, bool relative, scalar later) {
  const scalar x = relative ? membrane / threshold - scalar(1) : membrane - threshold;
  const scalar divisor = relative ? threshold : scalar(1);
  return spike_gradient * surrogate_value<shape>(x, a) / divisor + leak * later;
}

/// The gradients of one layer's scalars.
template <typename scalar>
struct ScalarGradients {
  scalar threshold;
  scalar leak;
};

/// current_gradient() with what the neuron and time step add to the gradients by threshold and leak; see
/// TrainableNetwork.
/// @param before the potential that the step before left
template <SurrogateShape shape, typename scalar>
HIRE_SNN_HOST_DEVICE inline scalar training_gradient(scalar spike_gradient, scalar membrane, scalar before,
                                                     scalar threshold, scalar leak, scalar a, bool relative,
                                                     scalar later, ScalarGradients<scalar>& sums) {
  const scalar u = membrane / threshold - scalar(1);
  const scalar x = relative ? u : membrane - threshold;
  const scalar divisor = relative ? threshold : scalar(1);
  const scalar direct = spike_gradient * surrogate_value<shape>(x, a) / divisor;
  const scalar decayed = leak * later;
  const scalar current = direct + decayed;
  sums.threshold -=
      (relative ? direct * membrane / threshold : direct) + (u > scalar(0) ? decayed : scalar(0));
  sums.leak += current * before;
  return current;
}

}  // namespace hire_snn
