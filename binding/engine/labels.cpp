#include "labels.h"

#include <string>

#include "error.h"

namespace hire_snn {

void check_labels(const at::Tensor& labels, std::int64_t samples, std::int64_t classes) {
  if (labels.sizes() != at::IntArrayRef({samples})) {
    throw CodedError("INVALID_ARGUMENT", "Expected one label for each of " + std::to_string(samples) +
                                             " images but received " + c10::str(labels.sizes()));
  }
  const auto least = labels.min().item<std::int64_t>();
  const auto largest = labels.max().item<std::int64_t>();
  if (least < 0 || largest >= classes) {
    throw CodedError("INVALID_ARGUMENT", "Expected labels from 0 to " + std::to_string(classes - 1) +
                                             " but received one from " + std::to_string(least) + " to " +
                                             std::to_string(largest));
  }
}

}  // namespace hire_snn
