#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace hire_snn {

/// One block of Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): the
/// twin of src/tensor/philox.ts.
inline std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                               std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t first = std::uint64_t{counter[0]} * 0xD2511F53U;
    const std::uint64_t second = std::uint64_t{counter[2]} * 0xCD9E8D57U;
    counter = {
        static_cast<std::uint32_t>(second >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(second),
        static_cast<std::uint32_t>(first >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(first)};
    key[0] += 0x9E3779B9U;
    key[1] += 0xBB67AE85U;
  }
  return counter;
}

/// 32-bit FNV-1a: the number of a stream of random numbers by its name.
constexpr std::uint32_t fnv1a(std::string_view text) {
  std::uint32_t hash = 0x811C9DC5U;
  for (const char character : text) hash = (hash ^ static_cast<unsigned char>(character)) * 0x01000193U;
  return hash;
}

}  // namespace hire_snn
