#pragma once

#include <ATen/core/Tensor.h>

#include "engine/network_plan.h"
#include "workspace.h"

// Between tensors and the workspace of a pass.
namespace hire_snn {

/// Normalises images of a batch into the workspace, channels side by side.
void load_images(const NetworkPlan& plan, const at::Tensor& images, std::int64_t first, std::int64_t count,
                 Workspace& workspace);

/// The counts of a forward pass.
/// @param counts [image][counted layer][timestep]
void read_counts(const NetworkPlan& plan, const Stages& stages, const Workspace& workspace,
                 std::int64_t images, std::int32_t* counts);

/// The gradient that a backward pass left.
/// @param gradient [image, channel, pixel] by the pixels before they were normalised
void read_gradient(const NetworkPlan& plan, const Workspace& workspace, std::int64_t images, float* gradient);

}  // namespace hire_snn
