#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>

#include <vector>

namespace hire_snn {

/// One value per channel, rounded to the precision of `dtype`, as [C, 1, 1].
inline at::Tensor per_channel(const std::vector<double>& values, at::ScalarType dtype) {
  return at::tensor(at::ArrayRef<double>(values), at::kDouble).to(dtype).view({-1, 1, 1});
}

}  // namespace hire_snn
