#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>

#include "engine/cuda/kernels/parameters.h"

// What kernels/simt_cuda.h offers, for a host compiler: the kernels run as they are, with every thread of a
// block as a fiber of one thread of the host, so that tests need no GPU. A fiber gives way where its warp or
// block has to meet, and nowhere else.

#define HIRE_SNN_DEVICE inline
// Blocks run one after the other, so that one memory serves as the shared memory of all.
#define HIRE_SNN_SHARED(type, name, size) static type name[size]
#define HIRE_SNN_UNROLL

namespace hire_snn::cuda {

namespace emulation {

/// Runs a block of kThreads threads. Throws std::logic_error if they cannot all come to their end.
void run_block(int block_x, int block_y, const std::function<void()>& kernel);

int thread_index();
int block_x();
int block_y();
void meet_block();

/// Waits for all threads of the warp that still run, and gives what each of them brought, by lane.
const std::uint64_t* exchange_in_warp(std::uint64_t mine);
/// What one of two such exchanges in a row brought stays readable during the other.
struct Fragments {
  Word a[4];
  Word b[2];
};
const Fragments* exchange_fragments(const Fragments& mine);

Word half_bits(float value);
float half_value(Word bits);

}  // namespace emulation

inline int thread_index() { return emulation::thread_index(); }
inline int block_x() { return emulation::block_x(); }
inline int block_y() { return emulation::block_y(); }
inline void sync_block() { emulation::meet_block(); }

template <typename Value>
inline Value shuffle_xor(Value value, int mask) {
  static_assert(sizeof(Value) <= sizeof(std::uint64_t));
  std::uint64_t mine = 0;
  std::memcpy(&mine, &value, sizeof value);
  const std::uint64_t other = emulation::exchange_in_warp(mine)[(thread_index() % kWarp) ^ mask];
  std::memcpy(&value, &other, sizeof value);
  return value;
}

inline bool any_in_warp(bool value) {
  const std::uint64_t* all = emulation::exchange_in_warp(value);
  for (int lane = 0; lane < kWarp; ++lane) {
    if (all[lane]) return true;
  }
  return false;
}

inline void atomic_add(int* to, int value) { *to += value; }
inline void atomic_add(Offset* to, Offset value) { *to += value; }
inline void atomic_max(Word* to, Word value) { *to = *to < value ? value : *to; }

inline int count_bits(Word value) { return __builtin_popcount(value); }
inline Word bits_of(float value) {
  Word bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}
inline float float_of(Word bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
inline float fused(float a, float b, float c) { return std::fma(a, b, c); }

inline Word pack_halves(float first, float second) {
  return emulation::half_bits(first) | emulation::half_bits(second) << 16;
}
inline float first_half(Word halves) { return emulation::half_value(halves & 0xFFFFu); }
inline float second_half(Word halves) { return emulation::half_value(halves >> 16); }
inline Word fused_halves(Word a, Word b, Word c) {
  return pack_halves(first_half(a) * first_half(b) + first_half(c),
                     second_half(a) * second_half(b) + second_half(c));
}

/// As of kernels/simt_cuda.h. Matrix units truncate sums in a way that is not documented; these round once.
inline void multiply_accumulate(float (&sum)[4], const Word (&a)[4], const Word (&b)[2]) {
  const emulation::Fragments* warp = emulation::exchange_fragments({{a[0], a[1], a[2], a[3]}, {b[0], b[1]}});
  const int lane = thread_index() % kWarp;
  for (int i = 0; i < 4; ++i) {
    const int row = i / 2;  // lane / 4, or eight rows on
    const int column = lane % 4 * 2 + i % 2;
    double total = sum[i];
    for (int member = 0; member < 4; ++member) {
      const auto& left = warp[lane / 4 * 4 + member].a;
      const auto& right = warp[column * 4 + member].b;
      for (int pair = 0; pair < 2; ++pair) {
        const Word factors = left[2 * pair + row];
        total += static_cast<double>(first_half(factors)) * first_half(right[pair]) +
                 static_cast<double>(second_half(factors)) * second_half(right[pair]);
      }
    }
    sum[i] = static_cast<float>(total);
  }
}

// A copy takes place at once: that a kernel waits for it, and does not overwrite what is still read, shows on
// a GPU alone.
inline void copy_async(Quarter* shared, const Quarter* from) { *shared = *from; }
inline void commit_copies() {}
template <int groups>
inline void wait_for_copies() {}

}  // namespace hire_snn::cuda
