#pragma once

#include <optional>
#include <ostream>

namespace hire_snn::parity {

/// Compares training on dense layers elsewhere with that on the CPU: neurons in libtorch's operations, on the CPU
/// or, if one is given, on a GPU; whole mini-batches of HIRE on it; products in bfloat16 with those in float32; and,
/// without a GPU, the multi-step engine with every instruction set.
/// Prints what it finds; false if a rule is broken.
bool run_training(std::optional<int> gpu, std::ostream& log);

}  // namespace hire_snn::parity
