#pragma once

#include <string>
#include <vector>

#include "engine/network_plan.h"

namespace hire_snn::parity {

struct Case {
  std::string name;
  NetworkPlan plan;
  at::Tensor images;  ///< [N, C, H, W]
  at::Tensor labels;  ///< [N] int64
};

/// Random networks that have all that an engine has to cope with: channels that are no multiples of anything, maps of
/// odd sizes, every kernel size, strides, both kinds of shortcut, linear layers on maps and on the image, one time
/// step, every surrogate on both scales. The same for every run.
std::vector<Case> small_cases();

}  // namespace hire_snn::parity
