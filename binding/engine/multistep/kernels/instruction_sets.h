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
/// Whether the compiler knew the instructions, the machine has them and the system lets the process use them.
bool supported();
const Kernels& kernels();
}  // namespace amx

}  // namespace hire_snn
