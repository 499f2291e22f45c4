#pragma once

#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "surrogate_value.h"

namespace hire_snn {

struct Surrogate {
  SurrogateShape shape = SurrogateShape::kPiecewiseLinear;
  double a = 0.3;
  SurrogateScale scale = SurrogateScale::kThreshold;
};

/// Names as in src/networks/surrogate.ts.
inline std::optional<SurrogateShape> surrogate_shape(std::string_view name) {
  constexpr std::pair<std::string_view, SurrogateShape> shapes[] = {
      {"piecewise-linear", SurrogateShape::kPiecewiseLinear},
      {"triangle", SurrogateShape::kTriangle},
      {"rectangle", SurrogateShape::kRectangle},
      {"sigmoid", SurrogateShape::kSigmoid},
      {"atan", SurrogateShape::kAtan},
      {"erf", SurrogateShape::kErf},
      {"piecewise-exponential", SurrogateShape::kPiecewiseExponential},
      {"fast-sigmoid", SurrogateShape::kFastSigmoid},
      {"super-spike", SurrogateShape::kSuperSpike},
      {"straight-through", SurrogateShape::kStraightThrough},
  };
  for (const auto& [known, shape] : shapes) {
    if (known == name) return shape;
  }
  return std::nullopt;
}

/// Calls `body` with the shape as a constant: std::integral_constant<SurrogateShape, shape>.
template <typename Body>
decltype(auto) with_surrogate_shape(SurrogateShape shape, const Body& body) {
  switch (shape) {
    case SurrogateShape::kPiecewiseLinear:
      return body(std::integral_constant<SurrogateShape, SurrogateShape::kPiecewiseLinear>{});
    case SurrogateShape::kTriangle:
      return body(std::integral_constant<SurrogateShape, SurrogateShape::kTriangle>{});
    case SurrogateShape::kRectangle:
      return body(std::integral_constant<SurrogateShape, SurrogateShape::kRectangle>{});
    case SurrogateShape::kSigmoid:
      return body(std::integral_constant<SurrogateShape, SurrogateShape::kSigmoid>{});
    case SurrogateShape::kAtan:
      return body(std::integral_constant<SurrogateShape, SurrogateShape::kAtan>{});
    case SurrogateShape::kErf:
      return body(std::integral_constant<SurrogateShape, SurrogateShape::kErf>{});
    case SurrogateShape::kPiecewiseExponential:
      return body(std::integral_constant<SurrogateShape, SurrogateShape::kPiecewiseExponential>{});
    case SurrogateShape::kFastSigmoid:
      return body(std::integral_constant<SurrogateShape, SurrogateShape::kFastSigmoid>{});
    case SurrogateShape::kSuperSpike:
      return body(std::integral_constant<SurrogateShape, SurrogateShape::kSuperSpike>{});
    case SurrogateShape::kStraightThrough:
      break;
  }
  return body(std::integral_constant<SurrogateShape, SurrogateShape::kStraightThrough>{});
}

}  // namespace hire_snn
