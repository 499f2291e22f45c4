#include "factor_lists.h"

#include <algorithm>
#include <numeric>

#include "thread_team.h"

namespace hire_snn {

void FactorLists::build(const float* values, std::int64_t blocks, std::int64_t places_per_block,
                        const std::vector<std::int64_t>& places, int threads) {
  rows_ = static_cast<std::int64_t>(places.size());
  std::uint32_t* const offsets = offsets_.reserve(blocks * (rows_ + 1));
  const auto row_at = [&](std::int64_t block, std::size_t row) {
    return values + (block * places_per_block + places[row]) * kBlock;
  };
  std::vector<std::uint32_t> begins(static_cast<std::size_t>(blocks + 1), 0);
  ThreadTeam::shared().run(blocks, threads, [&](std::int64_t block, int) {
    std::uint32_t sum = 0;
    for (std::size_t row = 0; row < places.size(); ++row) {
      const float* factors = row_at(block, row);
      for (std::int64_t i = 0; i < kBlock; ++i) sum += factors[i] != 0.0F;
    }
    begins[static_cast<std::size_t>(block) + 1] = sum;
  });
  std::partial_sum(begins.begin(), begins.end(), begins.begin());
  // A row is written without jumps: each value where the next one that is not zero belongs.
  Factor* const lists = factors_.reserve(begins.back());
  ThreadTeam::shared().run(blocks, threads, [&](std::int64_t block, int) {
    Factor row_factors[kBlock];
    std::uint32_t* to = offsets + block * (rows_ + 1);
    std::uint32_t next = begins[static_cast<std::size_t>(block)];
    for (std::size_t row = 0; row < places.size(); ++row) {
      const float* factors = row_at(block, row);
      std::int64_t count = 0;
      for (std::int64_t i = 0; i < kBlock; ++i) {
        row_factors[count] = {static_cast<std::uint32_t>(i * kBlock), factors[i]};
        count += factors[i] != 0.0F;
      }
      to[row] = next;
      std::copy_n(row_factors, count, lists + next);
      next += static_cast<std::uint32_t>(count);
    }
    to[rows_] = next;
  });
}

}  // namespace hire_snn
