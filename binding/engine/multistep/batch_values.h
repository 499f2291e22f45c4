#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

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

/// Divides each row by a power of two, from 2^-126 to 2^126, that makes its largest value one of at least 1/2
/// and less than 1 if one can, and returns those powers: 1 for a row of zeros, and for one that is not
/// finite. The gradient of a loss that is nearly zero would lose digits on its way back, and give_scales()
/// loses none that float32 has for the result.
/// @param values [row, ...], float32
std::vector<float> take_scales(at::Tensor& values);

/// Multiplies each of the rows of `size` values by its power of two.
void give_scales(const std::vector<float>& scales, std::int64_t size, float* values);

}  // namespace hire_snn
