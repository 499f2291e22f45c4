#include "digit_weights.h"

#include <algorithm>
#include <cmath>

namespace hire_snn {

DigitWeights::DigitWeights(std::int64_t blocks, std::int64_t factors) : factors_(factors) {
  values_.reserve(blocks * per_block());
  scales_.resize(static_cast<std::size_t>(blocks * kBlock));
}

bool DigitWeights::split(const double* weights, std::int64_t column) {
  constexpr double kLargestDigits = 127. * 65536 + 127. * 256 + 127;
  constexpr double kLargestWeight = 1LL << 60;
  double largest[kMatrixRows] = {};
  bool finite = true;
  for (std::int64_t i = 0; i < factors_; ++i) {
    for (std::int64_t lane = 0; lane < kMatrixRows; ++lane) {
      const double weight = std::abs(weights[i * kMatrixRows + lane]);
      finite &= weight <= kLargestWeight;
      largest[lane] = std::max(largest[lane], weight);
    }
  }
  if (!finite) return false;
  double factors[kMatrixRows];
  for (std::int64_t lane = 0; lane < kMatrixRows; ++lane) {
    int exponent = 0;
    std::frexp(largest[lane], &exponent);
    exponent -= 23;
    if (std::ldexp(largest[lane], -exponent) > kLargestDigits) ++exponent;
    exponent = std::max(exponent, -120);  // smaller ones are zero to whatever they are added to
    factors[lane] = std::ldexp(1.0, -exponent);
    scales_[static_cast<std::size_t>(column * kMatrixRows + lane)] = std::ldexp(1.0F, exponent);
  }
  std::int64_t present[kMatrixRows] = {};
  std::int64_t small[kMatrixRows] = {};
  std::int8_t* const panels = values_.data() + column * kMatrixRows * factors_ * kDigits;
  for (std::int64_t i = 0; i < factors_; ++i) {
    std::int8_t* to =
        panels + i / kMatrixFactors * kMatrixPanel + i % kMatrixFactors / 4 * kMatrixRows * 4 + i % 4;
    for (std::int64_t lane = 0; lane < kMatrixRows; ++lane, to += 4) {
      const double weight = weights[i * kMatrixRows + lane];
      present[lane] += weight != 0;
      small[lane] += weight != 0 && std::abs(weight) * 128 < largest[lane];
      constexpr double kInteger = 6755399441055744;  // 1.5 * 2^52: what is added to it is rounded to integers
      const auto number = static_cast<std::int32_t>(weight * factors[lane] + kInteger - kInteger);
      const auto low = static_cast<std::int8_t>(number);
      const std::int32_t rest = (number - low) >> 8;
      const auto middle = static_cast<std::int8_t>(rest);
      to[0] = low;
      to[kMatrixPanel / kDigits] = middle;
      to[2 * kMatrixPanel / kDigits] = static_cast<std::int8_t>((rest - middle) >> 8);
    }
  }
  return std::equal(present, present + kMatrixRows, small,
                    [](std::int64_t all, std::int64_t few) { return 2 * few <= all; });
}

}  // namespace hire_snn
