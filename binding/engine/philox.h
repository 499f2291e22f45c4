#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace hire_snn {

/// One block of Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): the
/// same generator as src/tensor/philox.ts, where the TypeScript side draws.
inline std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::uint64_t key) {
  constexpr int kRounds = 10;
  auto key0 = static_cast<std::uint32_t>(key);
  auto key1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {
        static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key0, static_cast<std::uint32_t>(product1),
        static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key1, static_cast<std::uint32_t>(product0)};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

/// 32-bit FNV-1a of a text: the number of a random stream that is known by its name.
inline std::uint32_t random_stream(std::string_view name) {
  std::uint32_t hash = 0x811C9DC5;
  for (const char letter : name) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x01000193;
  return hash;
}

/// A random number as one of [0, 1) on a grid of 2^-24, times 2^24.
constexpr int kUniformBits = 24;
inline std::uint32_t uniform24(std::uint32_t word) { return word >> (32 - kUniformBits); }

}  // namespace hire_snn
