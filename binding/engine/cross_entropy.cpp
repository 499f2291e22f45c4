#include "cross_entropy.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cmath>

namespace hire_snn {
namespace {

template <typename scalar>
scalar row_loss(const scalar* logits, std::int64_t classes, std::int64_t label, scalar* gradient) {
  const scalar largest = *std::max_element(logits, logits + classes);
  double total = 0;
  for (std::int64_t j = 0; j < classes; ++j) total += std::exp(logits[j] - largest);
  const auto log_total = static_cast<scalar>(std::log(total));
  for (std::int64_t j = 0; j < classes; ++j) gradient[j] = std::exp(logits[j] - largest - log_total);
  gradient[label] -= scalar(1);
  return -(logits[label] - largest - log_total);
}

}  // namespace

CrossEntropy cross_entropy(const at::Tensor& logits, const at::Tensor& labels) {
  const std::int64_t samples = logits.size(0);
  const std::int64_t classes = logits.size(1);
  CrossEntropy result{at::empty({samples}, logits.options()), at::empty_like(logits)};
  const auto* label = labels.const_data_ptr<std::int64_t>();
  AT_DISPATCH_FLOATING_TYPES(logits.scalar_type(), "cross_entropy", [&] {
    const auto* rows = logits.const_data_ptr<scalar_t>();
    auto* losses = result.losses.mutable_data_ptr<scalar_t>();
    auto* gradient = result.gradient.mutable_data_ptr<scalar_t>();
    for (std::int64_t n = 0; n < samples; ++n) {
      losses[n] = row_loss(rows + n * classes, classes, label[n], gradient + n * classes);
    }
  });
  return result;
}

}  // namespace hire_snn
