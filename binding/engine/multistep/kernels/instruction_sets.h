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

}  // namespace hire_snn
