#pragma once

#include <cstdint>
#include <vector>

#include "aligned_buffer.h"
#include "kernels/kernels.h"

namespace hire_snn {

/// Rows of gradients, of which surrogates leave many values zero, as lists of the others: for each block of
/// kBlock values and each row.
class FactorLists {
 public:
  /// @param values [block][place][kBlock]
  /// @param places of the rows, in the order in which they are listed
  void build(const float* values, std::int64_t blocks, std::int64_t places_per_block,
             const std::vector<std::int64_t>& places, int threads);

  const Factor* factors() const { return factors_.data(); }
  /// Where the list of each row of a block begins, and where the last one ends.
  const std::uint32_t* offsets(std::int64_t block) const { return offsets_.data() + block * (rows_ + 1); }

  std::int64_t bytes() const { return factors_.bytes() + offsets_.bytes(); }

 private:
  std::int64_t rows_ = 0;
  AlignedBuffer<Factor> factors_;
  AlignedBuffer<std::uint32_t> offsets_;
};

}  // namespace hire_snn
