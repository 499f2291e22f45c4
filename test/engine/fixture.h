#pragma once

#include <string>

#include "engine/network_plan.h"

namespace hire_snn::parity {

/// A network with images, as scripts/gpu/make_fixtures.py writes it with torch.save.
struct Fixture {
  std::string name;
  NetworkPlan plan;
  at::Tensor images;    ///< [N, C, H, W], in [0, 1]
  at::Tensor labels;    ///< [N] int64
  at::Tensor logits;    ///< [M, classes] of the first M images by the step-by-step reference
  at::Tensor gradient;  ///< [M, C, H, W] by the step-by-step reference
};

/// Throws std::runtime_error for a file that is none.
Fixture read_fixture(const std::string& path);

}  // namespace hire_snn::parity
