#pragma once

// For headers that CUDA's run-time compiler reads too: it has no standard library, so they include none for
// it.
#if defined(__CUDACC_RTC__)
#define HIRE_SNN_HOST_DEVICE __host__ __device__
#else
#include <cmath>
#if defined(__CUDACC__)
#define HIRE_SNN_HOST_DEVICE __host__ __device__
#else
#define HIRE_SNN_HOST_DEVICE
#endif
#endif

namespace hire_snn {

template <typename scalar>
HIRE_SNN_HOST_DEVICE inline scalar exp_of(scalar x) {
#if defined(__CUDACC_RTC__)
  return exp(x);
#else
  return std::exp(x);
#endif
}

template <typename scalar>
HIRE_SNN_HOST_DEVICE inline scalar log_of(scalar x) {
#if defined(__CUDACC_RTC__)
  return log(x);
#else
  return std::log(x);
#endif
}

}  // namespace hire_snn
