#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>

namespace hire_snn {

/// Memory at the start of a cache line and, where it is large, in large pages if the system has them; to be
/// given back by std::free(). Its contents are not set.
///
/// Throws std::bad_alloc.
void* aligned_memory(std::size_t bytes);

/// As at::zeros_like(), for a contiguous tensor that lies in such memory if it is the CPU's.
at::Tensor zeros_in_large_pages(const at::Tensor& like);

}  // namespace hire_snn
