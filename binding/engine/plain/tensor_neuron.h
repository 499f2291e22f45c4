#pragma once

#include <memory>

#include "plain_neuron.h"

namespace hire_snn {

/// Neurons in libtorch's operations on tensors alone, on whatever device their currents are: as
/// make_plain_neuron_layer(), in the same precision and with the same rounding of membranes. On a CPU it is
/// the slower of the two by far.
///
/// @param options dtype and device of the currents
std::unique_ptr<PlainNeuronLayer> make_tensor_neuron_layer(NeuronParameters parameters,
                                                           const Surrogate& surrogate,
                                                           const at::TensorOptions& options);

}  // namespace hire_snn
