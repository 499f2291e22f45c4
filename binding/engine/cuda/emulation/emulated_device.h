#pragma once

#include "engine/cuda/device.h"

namespace hire_snn::cuda {

/// Runs the kernels on the host, thread by thread of the GPU: for tests, thousands of times slower than
/// either. At most one in a process may be at work.
std::unique_ptr<Device> make_emulated_device(const KernelOptions& options);

}  // namespace hire_snn::cuda
