// The kernels for x86 with AVX2 and FMA.

#include "instruction_sets.h"

#if defined(__x86_64__)
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

namespace hire_snn::avx2 {
namespace {

constexpr int kLanes = 8;
constexpr int kColumns = 2;
typedef float Vector __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));

inline Vector fused(Vector a, Vector b, Vector c) {
  return (Vector)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}

inline Vector square_root(Vector a) { return (Vector)_mm256_sqrt_ps((__m256)a); }

inline unsigned fires(Vector membrane, Vector least) {
  return static_cast<unsigned>(
      _mm256_movemask_ps(_mm256_cmp_ps((__m256)membrane, (__m256)least, _CMP_GE_OQ)));
}

inline void add_bits(std::uint8_t (&bytes)[64], std::uint64_t bits) {
  for (int i = 0; i < 64; ++i) bytes[i] = static_cast<std::uint8_t>(bytes[i] + (bits >> i & 1));
}

inline void spread(float (&values)[kBlock], std::uint64_t bits, float value) {
  const __m256i places = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  for (int i = 0; i < kBlock; i += kLanes) {
    const __m256i byte = _mm256_set1_epi32(static_cast<int>(bits >> i & 0xff));
    const __m256i set = _mm256_cmpeq_epi32(_mm256_and_si256(byte, places), places);
    _mm256_storeu_ps(values + i, _mm256_and_ps(_mm256_castsi256_ps(set), _mm256_set1_ps(value)));
  }
}

#include "kernels.inl"

}  // namespace

const Kernels& kernels() { return kKernels; }

}  // namespace hire_snn::avx2

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
