#pragma once

// Everything that kernels.inl uses stands here, outside of the regions that are compiled for an instruction
// set.
#include <cmath>
#include <cstdint>

#include "kernels.h"

namespace hire_snn {

namespace baseline {
const Kernels& kernels();
}
namespace avx2 {
const Kernels& kernels();
}
namespace avx512 {
const Kernels& kernels();
}
namespace amx {
/// Whether the compiler knew the instructions, and the machine and the system have them.
bool supported();
/// Asks the system, once, for the memory that the tiles of each thread take. From then on it refuses signal
/// stacks that are too small for them, as 8 KB are.
bool permitted();
const Kernels& kernels();
}  // namespace amx

}  // namespace hire_snn
