#pragma once

#include <ATen/core/Tensor.h>

namespace hire_snn {

/// Throws CodedError INVALID_ARGUMENT unless there is a label from 0 to classes - 1 for each of the samples.
void check_labels(const at::Tensor& labels, std::int64_t samples, std::int64_t classes);

}  // namespace hire_snn
