#pragma once

#include "parameters.h"

// What the kernels use of the machine. emulation/simt_emulated.h offers the same to a host compiler.

#define HIRE_SNN_DEVICE __device__ __forceinline__
// At least two blocks to a multiprocessor: 128 registers for each thread.
#define HIRE_SNN_KERNEL extern "C" __global__ void __launch_bounds__(hire_snn::cuda::kThreads, 2)
#define HIRE_SNN_SHARED(type, name, size) __shared__ type name[size]
#define HIRE_SNN_UNROLL _Pragma("unroll")

namespace hire_snn::cuda {

HIRE_SNN_DEVICE int thread_index() { return static_cast<int>(threadIdx.x); }
HIRE_SNN_DEVICE int block_x() { return static_cast<int>(blockIdx.x); }
HIRE_SNN_DEVICE int block_y() { return static_cast<int>(blockIdx.y); }

HIRE_SNN_DEVICE void sync_block() { __syncthreads(); }

template <typename Value>
HIRE_SNN_DEVICE Value shuffle_xor(Value value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}

HIRE_SNN_DEVICE bool any_in_warp(bool value) { return __any_sync(0xffffffffu, value) != 0; }

HIRE_SNN_DEVICE void atomic_add(int* to, int value) { atomicAdd(to, value); }
HIRE_SNN_DEVICE void atomic_add(Offset* to, Offset value) {
  atomicAdd(reinterpret_cast<unsigned long long*>(to), static_cast<unsigned long long>(value));
}
HIRE_SNN_DEVICE void atomic_max(Word* to, Word value) { atomicMax(to, value); }

HIRE_SNN_DEVICE int count_bits(Word value) { return __popc(value); }
HIRE_SNN_DEVICE Word bits_of(float value) { return __float_as_uint(value); }
HIRE_SNN_DEVICE float float_of(Word bits) { return __uint_as_float(bits); }
HIRE_SNN_DEVICE float fused(float a, float b, float c) { return fmaf(a, b, c); }

/// Two numbers rounded to half precision, the first in the lower half.
HIRE_SNN_DEVICE Word pack_halves(float first, float second) {
  Word result;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(second), "f"(first));
  return result;
}

HIRE_SNN_DEVICE float first_half(Word halves) {
  float result;
  asm("{ .reg .b16 low, high; mov.b32 {low, high}, %1; cvt.f32.f16 %0, low; }" : "=f"(result) : "r"(halves));
  return result;
}

HIRE_SNN_DEVICE float second_half(Word halves) {
  float result;
  asm("{ .reg .b16 low, high; mov.b32 {low, high}, %1; cvt.f32.f16 %0, high; }" : "=f"(result) : "r"(halves));
  return result;
}

/// a * b + c of both halves.
HIRE_SNN_DEVICE Word fused_halves(Word a, Word b, Word c) {
  Word result;
  asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(c));
  return result;
}

/// sum[16 x 8] += a[16 x 16] b[16 x 8], shared out over a warp: PTX ISA, mma.m16n8k16. In pairs of factors,
/// thread (group, member) = (lane / 4, lane % 4) has of a: rows group and group + 8 of its first pair, then
/// of its second; of b: column group of both pairs; of the sum: columns 2 member and 2 member + 1 of row
/// group, then of row group + 8.
HIRE_SNN_DEVICE void multiply_accumulate(float (&sum)[4], const Word (&a)[4], const Word (&b)[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// Starts a copy of 16 bytes into shared memory.
HIRE_SNN_DEVICE void copy_async(Quarter* shared, const Quarter* from) {
  const Word to = static_cast<Word>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}
/// Makes a group of the copies that were started since the last one.
HIRE_SNN_DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/// Waits until at most `groups` of this thread's groups are under way.
template <int groups>
HIRE_SNN_DEVICE void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(groups) : "memory");
}

}  // namespace hire_snn::cuda
