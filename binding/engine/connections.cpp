#include "connections.h"

namespace hire_snn {
namespace {

Connections unconnected(std::int64_t input_pixels, std::int64_t output_pixels, std::int64_t taps) {
  return {input_pixels, output_pixels, taps,
          std::vector<std::int32_t>(static_cast<std::size_t>(taps * output_pixels), -1),
          std::vector<std::int32_t>(static_cast<std::size_t>(taps * input_pixels), -1)};
}

void connect(Connections& connections, std::int64_t tap, std::int64_t input, std::int64_t output) {
  connections.inputs[static_cast<std::size_t>(tap * connections.output_pixels + output)] =
      static_cast<std::int32_t>(input);
  connections.outputs[static_cast<std::size_t>(tap * connections.input_pixels + input)] =
      static_cast<std::int32_t>(output);
}

}  // namespace

std::vector<std::int32_t> Connections::reach() const {
  std::vector<std::int32_t> sums(static_cast<std::size_t>(input_pixels));
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i] >= 0) ++sums[i % sums.size()];
  }
  return sums;
}

Connections Connections::convolution(const Shape& input, const Shape& output, std::int64_t kernel,
                                     std::int64_t stride) {
  const std::int64_t padding = (kernel - 1) / 2;
  Connections result = unconnected(input[1] * input[2], output[1] * output[2], kernel * kernel);
  for (std::int64_t ky = 0; ky < kernel; ++ky) {
    for (std::int64_t kx = 0; kx < kernel; ++kx) {
      for (std::int64_t y = 0; y < output[1]; ++y) {
        const std::int64_t from_y = y * stride + ky - padding;
        if (from_y < 0 || from_y >= input[1]) continue;
        for (std::int64_t x = 0; x < output[2]; ++x) {
          const std::int64_t from_x = x * stride + kx - padding;
          if (from_x < 0 || from_x >= input[2]) continue;
          connect(result, ky * kernel + kx, from_y * input[2] + from_x, y * output[2] + x);
        }
      }
    }
  }
  return result;
}

Connections Connections::linear(std::int64_t input_pixels) {
  Connections result = unconnected(input_pixels, 1, input_pixels);
  for (std::int64_t pixel = 0; pixel < input_pixels; ++pixel) connect(result, pixel, pixel, 0);
  return result;
}

}  // namespace hire_snn
