#pragma once

#include <ATen/Functions.h>

#include "engine/network_plan.h"

// What the plain engine and plain training make of libtorch's dense layers. Time steps and samples are one
// dimension A there.
namespace hire_snn {

/// [T, N, ...] as [T * N, ...], which is what libtorch's layers take.
inline at::Tensor merge_time(const at::Tensor& values) { return values.flatten(0, 1); }

inline at::Tensor split_time(const at::Tensor& values, std::int64_t timesteps) {
  return values.unflatten(0, at::IntArrayRef({timesteps, values.size(0) / timesteps}));
}

/// [T, N] int32: the outputs of a pool that are not zero.
inline at::Tensor count_active(const at::Tensor& pooled) {
  return pooled.ne(0).flatten(2).sum(2, /*keepdim=*/false, at::kInt);
}

/// The weighted sums of `input` [A, C, H, W] by a convolution that keeps the map's size at stride 1.
inline at::Tensor convolve(const at::Tensor& input, const at::Tensor& weight, std::int64_t stride) {
  const std::int64_t padding = (weight.size(2) - 1) / 2;
  return at::conv2d(input, weight, {}, stride, padding);
}

/// libtorch wants a layer's forward input only to know its shape: this memory is never touched.
inline at::Tensor shaped_input(const at::Tensor& gradient, const Shape& input) {
  return at::empty({gradient.size(0), input[0], input[1], input[2]}, gradient.options());
}

/// The gradients of convolve() from that by its sums: by the input [A, C, H, W] and by the weight, as asked
/// for.
inline std::pair<at::Tensor, at::Tensor> convolution_gradients(const at::Tensor& gradient,
                                                               const at::Tensor& input,
                                                               const at::Tensor& weight, std::int64_t stride,
                                                               bool by_input, bool by_weight) {
  const std::int64_t padding = (weight.size(2) - 1) / 2;
  auto result =
      at::convolution_backward(gradient, input, weight, at::OptionalIntArrayRef(), {stride, stride},
                               {padding, padding}, {1, 1}, false, {0, 0}, 1, {by_input, by_weight, false});
  return {std::get<0>(result), std::get<1>(result)};
}

/// The gradient by the input [A, ...] of a 2x2 average pool from that by its means.
inline at::Tensor pool_backward(const at::Tensor& gradient, const Shape& input) {
  return at::avg_pool2d_backward(gradient, shaped_input(gradient, input), {2, 2}, {2, 2}, {0, 0}, false, true,
                                 std::nullopt);
}

}  // namespace hire_snn
