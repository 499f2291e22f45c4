#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace hire_snn {

/// Rate (Poisson) coding of images: at each time step a normalised pixel x gives
///
///     sign(x) * [u <= |x|]        u uniform in [0, 1), drawn afresh
///
/// so that its mean over time is x within [-1, 1]. The original's family normalises with mean 0.5 and
/// standard deviation 0.5, which keeps pixels there.
///
/// The numbers come from Philox4x32-10: key = the 64-bit seed, counter = (sample index, block, FNV-1a of
/// "rate-coding", pass), where blocks of four elements count on over the time steps: block = step * ceil(E /
/// 4)
/// + element / 4, lane = element % 4, u = (number >> 8) * 2^-24. A sample's code therefore depends on the
/// seed, its index in the data set and the pass alone, never on its neighbours.
struct RateCoding {
  std::uint64_t seed;
};

/// Which random numbers a call draws.
struct Draws {
  at::Tensor samples = {};  ///< [N] int64, from 0 to 2^32 - 1; undefined for 0, 1, 2, ...
  std::int64_t pass = 0;    ///< from 0 to 2^32 - 1: each has its own numbers
};

/// Draws::samples of indices.
at::Tensor sample_indices(const std::vector<std::uint32_t>& samples);

/// @param normalised [N, C, H, W], contiguous, float32 or float64
/// @param timesteps how many, from `first_step` on
/// @param samples [N] int64
/// @returns [T, N, C, H, W] of -1, 0 and 1 in the same dtype
at::Tensor rate_coded(const at::Tensor& normalised, std::int64_t timesteps, const RateCoding& coding,
                      const at::Tensor& samples, std::int64_t pass, std::int64_t first_step = 0);

}  // namespace hire_snn
