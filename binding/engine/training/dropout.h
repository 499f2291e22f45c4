#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/network_plan.h"

namespace hire_snn {

/// What decides the dropout masks of one pass: masks depend on these, the layer and the neuron alone, so that
/// a training that goes on after an interruption draws what it would have drawn.
struct DropoutKey {
  std::uint64_t seed = 0;
  std::uint32_t pass = 0;              ///< counts the passes of a training
  std::vector<std::uint32_t> samples;  ///< of the batch: indices in the data set
};

/// Dropout masks, drawn for each sample of a batch and kept for all time steps: a neuron is silenced with the
/// probability `rate`, and what is left is scaled by 1 / (1 - rate).
///
/// The numbers are those of Philox4x32-10: key = the seed, counter = (sample, neuron / 4, FNV-1a of
/// "dropout/" and the layer's name, pass), lane = neuron % 4. With x the 32-bit number, the neuron is kept if
/// (x >>> 8) * 2^-24 >= rate.
class Dropout {
 public:
  /// Throws CodedError INVALID_ARGUMENT unless 0 <= rate < 1.
  explicit Dropout(double rate);

  double rate() const { return rate_; }
  double scale() const { return 1 / (1 - rate_); }

  /// [N, C, H, W] in the given dtype: 0 or scale().
  at::Tensor mask(const DropoutKey& key, const std::string& layer, const Shape& shape,
                  at::ScalarType dtype) const;

  /// The neurons of one sample that are kept, a bit each in words of 64 channels.
  /// @param bits [pixel][word], of which `words` hold all channels
  void keep_bits(const DropoutKey& key, std::size_t sample, const std::string& layer, const Shape& shape,
                 std::int64_t words, std::uint64_t* bits) const;

 private:
  template <typename Put>
  void draw(const DropoutKey& key, std::size_t sample, std::uint32_t stream, std::int64_t neurons,
            const Put& put) const;

  double rate_;
  std::uint32_t least_;  // of uniform24() that keeps a neuron
};

}  // namespace hire_snn
