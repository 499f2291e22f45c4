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

}  // namespace hire_snn
