#include "dropout.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/philox.h"

namespace hire_snn {

Dropout::Dropout(double rate) : rate_(rate) {
  if (!(rate >= 0 && rate < 1)) {
    throw CodedError("INVALID_ARGUMENT", "Expected a number from 0 to below 1 for the dropout but received " +
                                             std::to_string(rate));
  }
  least_ = static_cast<std::uint32_t>(std::ceil(std::ldexp(rate, kUniformBits)));
}

template <typename Put>
void Dropout::draw(const DropoutKey& key, std::size_t sample, std::uint32_t stream, std::int64_t neurons,
                   const Put& put) const {
  for (std::int64_t first = 0; first < neurons; first += 4) {
    const auto block =
        philox4x32({key.samples[sample], static_cast<std::uint32_t>(first / 4), stream, key.pass}, key.seed);
    const auto lanes = static_cast<std::size_t>(std::min<std::int64_t>(4, neurons - first));
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      put(first + static_cast<std::int64_t>(lane), uniform24(block[lane]) >= least_);
    }
  }
}

at::Tensor Dropout::mask(const DropoutKey& key, const std::string& layer, const Shape& shape,
                         at::ScalarType dtype) const {
  const auto samples = static_cast<std::int64_t>(key.samples.size());
  const std::int64_t neurons = elements(shape);
  const std::uint32_t stream = random_stream("dropout/" + layer);
  at::Tensor result = at::empty({samples, shape[0], shape[1], shape[2]}, dtype);
  AT_DISPATCH_FLOATING_TYPES(dtype, "dropout", [&] {
    auto* values = result.mutable_data_ptr<scalar_t>();
    const auto kept = static_cast<scalar_t>(scale());
    at::parallel_for(0, samples, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n) {
        draw(key, static_cast<std::size_t>(n), stream, neurons, [&](std::int64_t neuron, bool keep) {
          values[n * neurons + neuron] = keep ? kept : scalar_t(0);
        });
      }
    });
  });
  return result;
}

void Dropout::keep_bits(const DropoutKey& key, std::size_t sample, const std::string& layer,
                        const Shape& shape, std::int64_t words, std::uint64_t* bits) const {
  const std::int64_t pixels = shape[1] * shape[2];
  std::fill_n(bits, pixels * words, std::uint64_t{0});
  // Neurons come in order, channel by channel: without divisions, which would take half of the time.
  std::int64_t channel = 0, pixel = 0;
  draw(key, sample, random_stream("dropout/" + layer), elements(shape), [&](std::int64_t, bool keep) {
    bits[pixel * words + channel / 64] |= static_cast<std::uint64_t>(keep) << (channel % 64);
    if (++pixel < pixels) return;
    pixel = 0;
    ++channel;
  });
}

}  // namespace hire_snn
