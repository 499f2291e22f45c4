#pragma once

#include <c10/core/Device.h>

#include "device.h"

namespace hire_snn::cuda {

/// A GPU, as CUDA counts them, as libtorch's device. Sets for the whole process that cuDNN computes float32
/// in float32 (no TF32), and by algorithms that give the same bits each time.
///
/// Throws CodedError DEVICE_UNAVAILABLE if libtorch is one without CUDA, or the machine has no driver or no
/// such GPU.
at::Device open_gpu(int index);

/// A GPU, as CUDA counts them. Compiles the kernels for it.
///
/// Throws CodedError DEVICE_UNAVAILABLE if there is no such GPU, or one that has no 80 in its compute
/// capability (the kernels use the matrix units and asynchronous copies of Ampere and later).
std::unique_ptr<Device> make_nvidia_device(int index, const KernelOptions& options);

}  // namespace hire_snn::cuda
