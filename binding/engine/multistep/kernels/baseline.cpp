// The kernels as any machine of the architecture runs them.

#include "instruction_sets.h"

namespace hire_snn::baseline {
namespace {

constexpr int kLanes = 4;
constexpr int kColumns = 2;
typedef float Vector __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));

inline Vector fused(Vector a, Vector b, Vector c) { return a * b + c; }

inline Vector square_root(Vector a) {
  for (int i = 0; i < kLanes; ++i) a[i] = __builtin_sqrtf(a[i]);
  return a;
}

inline unsigned fires(Vector membrane, Vector least) {
  const auto mask = membrane >= least;
  unsigned bits = 0;
  for (int i = 0; i < kLanes; ++i) bits |= mask[i] ? 1U << i : 0U;
  return bits;
}

inline void add_bits(std::uint8_t (&bytes)[64], std::uint64_t bits) {
  for (int i = 0; i < 64; ++i) bytes[i] = static_cast<std::uint8_t>(bytes[i] + (bits >> i & 1));
}

inline void spread(float (&values)[kBlock], std::uint64_t bits, float value) {
  for (int i = 0; i < kBlock; ++i) values[i] = (bits >> i & 1) != 0 ? value : 0.0F;
}

#include "kernels.inl"

}  // namespace

const Kernels& kernels() { return kKernels; }

}  // namespace hire_snn::baseline
