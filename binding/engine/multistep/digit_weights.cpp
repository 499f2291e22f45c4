#include "digit_weights.h"

namespace hire_snn {

void DigitWeights::split(const double* weights, std::int8_t* panels, float* scales) const {
  constexpr double kLargest = 127. * 65536 + 127. * 256 + 127;
  double largest[kMatrixRows] = {};
  for (std::int64_t i = 0; i < factors_; ++i) {
    for (std::int64_t lane = 0; lane < kMatrixRows; ++lane) {
      largest[lane] = std::max(largest[lane], std::abs(weights[i * kMatrixRows + lane]));
    }
  }
  double factors[kMatrixRows];
  for (std::int64_t lane = 0; lane < kMatrixRows; ++lane) {
    int exponent = 0;
    std::frexp(largest[lane], &exponent);
    exponent -= 23;
    if (std::ldexp(largest[lane], -exponent) > kLargest) ++exponent;
    exponent = std::max(exponent, -120);  // of weights that float32 could not multiply by anything
    factors[lane] = std::ldexp(1.0, -exponent);
    scales[lane] = std::ldexp(1.0F, exponent);
  }
  for (std::int64_t i = 0; i < factors_; ++i) {
    std::int8_t* to =
        panels + i / kMatrixFactors * kMatrixPanel + i % kMatrixFactors / 4 * kMatrixRows * 4 + i % 4;
    for (std::int64_t lane = 0; lane < kMatrixRows; ++lane, to += 4) {
      constexpr double kInteger = 6755399441055744;  // 1.5 * 2^52: what is added to it is rounded to integers
      const double rounded = weights[i * kMatrixRows + lane] * factors[lane] + kInteger - kInteger;
      const auto number = static_cast<std::int32_t>(rounded);
      const auto low = static_cast<std::int8_t>(number);
      const std::int32_t rest = (number - low) >> 8;
      const auto middle = static_cast<std::int8_t>(rest);
      to[0] = low;
      to[kMatrixPanel / kDigits] = middle;
      to[2 * kMatrixPanel / kDigits] = static_cast<std::int8_t>((rest - middle) >> 8);
    }
  }
}

}  // namespace hire_snn
