#pragma once

#include "engine/spiking_network.h"

namespace hire_snn {

/// The network on libtorch's dense layers with neurons that round as the original does, in float32 or
/// float64: what faster engines are compared with.
std::unique_ptr<SpikingNetwork> make_plain_network(NetworkPlan plan);

}  // namespace hire_snn
