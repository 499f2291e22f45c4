#include "rate_coding.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "philox.h"

namespace hire_snn {
namespace {

constexpr std::int64_t kLanes = 4;

/// One sample at one time step.
template <typename scalar>
void code_image(const scalar* pixels, scalar* code, std::int64_t elements, std::int64_t step,
                std::uint32_t sample, std::uint32_t pass, const RateCoding& coding) {
  static const std::uint32_t stream = random_stream("rate-coding");
  const std::int64_t blocks = (elements + kLanes - 1) / kLanes;
  for (std::int64_t block = 0; block < blocks; ++block) {
    const auto words =
        philox4x32({sample, static_cast<std::uint32_t>(step * blocks + block), stream, pass}, coding.seed);
    const std::int64_t first = block * kLanes;
    for (std::int64_t lane = 0; lane < std::min(kLanes, elements - first); ++lane) {
      const scalar x = pixels[first + lane];
      const auto u = static_cast<scalar>(uniform24(words[static_cast<std::size_t>(lane)])) *
                     static_cast<scalar>(0x1p-24);
      const auto sign = static_cast<scalar>((x > 0) - (x < 0));
      code[first + lane] = u <= std::abs(x) ? sign : scalar(0);
    }
  }
}

}  // namespace

at::Tensor sample_indices(const std::vector<std::uint32_t>& samples) {
  at::Tensor indices = at::empty({static_cast<std::int64_t>(samples.size())}, at::kLong);
  std::copy(samples.begin(), samples.end(), indices.mutable_data_ptr<std::int64_t>());
  return indices;
}

at::Tensor rate_coded(const at::Tensor& normalised, std::int64_t timesteps, const RateCoding& coding,
                      const at::Tensor& samples, std::int64_t pass, std::int64_t first_step) {
  const std::int64_t images = normalised.size(0);
  const std::int64_t elements = normalised.numel() / std::max<std::int64_t>(images, 1);
  auto shape = normalised.sizes().vec();
  shape.insert(shape.begin(), timesteps);
  at::Tensor code = at::empty(shape, normalised.options());
  const std::int64_t* indices = samples.const_data_ptr<std::int64_t>();
  AT_DISPATCH_FLOATING_TYPES(normalised.scalar_type(), "rate_coded", [&] {
    const scalar_t* pixels = normalised.const_data_ptr<scalar_t>();
    scalar_t* codes = code.mutable_data_ptr<scalar_t>();
    at::parallel_for(0, timesteps * images, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t image = i % images;
        code_image(pixels + image * elements, codes + i * elements, elements, first_step + i / images,
                   static_cast<std::uint32_t>(indices[image]), static_cast<std::uint32_t>(pass), coding);
      }
    });
  });
  return code;
}

}  // namespace hire_snn
