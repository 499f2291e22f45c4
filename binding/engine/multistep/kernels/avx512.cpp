// The kernels for x86 with AVX-512 (F, BW, DQ, VL).

#include "instruction_sets.h"

#if defined(__x86_64__)
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma")
#endif

namespace hire_snn::avx512 {
namespace {

constexpr int kLanes = 16;
constexpr int kColumns = 4;
typedef float Vector __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));

inline Vector fused(Vector a, Vector b, Vector c) {
  return (Vector)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}

inline Vector square_root(Vector a) {
  return (Vector)_mm512_maskz_sqrt_ps(0xffff, (__m512)a);  // GCC warns of what the plain one leaves undefined
}

inline unsigned fires(Vector membrane, Vector least) {
  return _mm512_cmp_ps_mask((__m512)membrane, (__m512)least, _CMP_GE_OQ);
}

inline void add_bits(std::uint8_t (&bytes)[64], std::uint64_t bits) {
  const __m512i before = _mm512_loadu_si512(bytes);
  _mm512_storeu_si512(bytes, _mm512_add_epi8(before, _mm512_maskz_set1_epi8(bits, 1)));
}

inline void spread(float (&values)[kBlock], std::uint64_t bits, float value) {
  for (int i = 0; i < kBlock; i += kLanes) {
    _mm512_storeu_ps(values + i,
                     _mm512_maskz_mov_ps(static_cast<__mmask16>(bits >> i), _mm512_set1_ps(value)));
  }
}

#include "kernels.inl"

}  // namespace

const Kernels& kernels() { return kKernels; }

}  // namespace hire_snn::avx512

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
