#pragma once

#include "engine/network_plan.h"

namespace hire_snn {

/// Images that are run when a network is loaded, to see how dense the inputs of its layers are.
constexpr std::int64_t kCalibrationImages = 4;

/// Makes those images, [image][pixel][channel], normalised: with what matters here of natural ones, most of
/// their power in low frequencies, channels that go together, values within [0, 1]. The same on every
/// machine.
void make_calibration_images(float* images, const NetworkPlan& plan);

/// Whether Winograd's F(4x4, 3x3) can compute a layer.
bool winograd_can(const LayerPlan& layer);

/// The density of a layer's input from which on Winograd's products take less time than sums over the active
/// inputs.
double winograd_pays_from(const LayerPlan& layer);

}  // namespace hire_snn
