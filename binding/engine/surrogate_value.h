#pragma once

#include "host_device.h"

namespace hire_snn {

/// Derivatives that stand in for that of the firing step.
enum class SurrogateShape {
  kPiecewiseLinear,  ///< a max(0, 1 - |x|)                      Bellec et al. 2018; HIRE-SNN with a = 0.3
  kTriangle,         ///< max(0, a - a^2 |x|)
  kRectangle,        ///< [|x| < a] / (2 a)
  kSigmoid,          ///< a s(a x) (1 - s(a x)), s the logistic function
  kAtan,             ///< (a / 2) / (1 + (pi / 2 a x)^2)
  kErf,              ///< a / sqrt(pi) exp(-(a x)^2)
  kPiecewiseExponential,  ///< a / 2 exp(-a |x|)
  kFastSigmoid,           ///< 1 / (a |x| + 1)^2
  kSuperSpike,            ///< a / (|x| + 1)^2
  kStraightThrough,       ///< 1
};
constexpr int kSurrogateShapes = static_cast<int>(SurrogateShape::kStraightThrough) + 1;

/// What the argument of the shape is, for a membrane h before the reset and a threshold.
enum class SurrogateScale {
  kThreshold,  ///< x = h / threshold - 1; d spike / d h = shape(x) / threshold
  kAbsolute,   ///< x = h - threshold;     d spike / d h = shape(x)
};

/// The value of a shape, each operation rounded to `scalar`.
template <SurrogateShape shape, typename scalar>
HIRE_SNN_HOST_DEVICE inline scalar surrogate_value(scalar x, scalar a) {
  constexpr scalar half_pi = scalar(1.57079632679489661923);
  constexpr scalar one_over_root_pi = scalar(0.56418958354775628695);
  const scalar size = x < scalar(0) ? -x : x;
  if constexpr (shape == SurrogateShape::kPiecewiseLinear) {
    const scalar tent = scalar(1) - size;
    return a * (tent > scalar(0) ? tent : scalar(0));
  } else if constexpr (shape == SurrogateShape::kTriangle) {
    const scalar tent = a - a * a * size;
    return tent > scalar(0) ? tent : scalar(0);
  } else if constexpr (shape == SurrogateShape::kRectangle) {
    return size < a ? scalar(0.5) / a : scalar(0);
  } else if constexpr (shape == SurrogateShape::kSigmoid) {
    // exp of a number below 0 only: no overflow at either end.
    const scalar e = exp_of(-a * size);
    return a * e / ((scalar(1) + e) * (scalar(1) + e));
  } else if constexpr (shape == SurrogateShape::kAtan) {
    const scalar y = half_pi * a * x;
    return scalar(0.5) * a / (scalar(1) + y * y);
  } else if constexpr (shape == SurrogateShape::kErf) {
    return a * one_over_root_pi * exp_of(-(a * x) * (a * x));
  } else if constexpr (shape == SurrogateShape::kPiecewiseExponential) {
    return scalar(0.5) * a * exp_of(-a * size);
  } else if constexpr (shape == SurrogateShape::kFastSigmoid) {
    const scalar y = a * size + scalar(1);
    return scalar(1) / (y * y);
  } else if constexpr (shape == SurrogateShape::kSuperSpike) {
    const scalar y = size + scalar(1);
    return a / (y * y);
  } else {
    static_assert(shape == SurrogateShape::kStraightThrough);
    return scalar(1);
  }
}

}  // namespace hire_snn
