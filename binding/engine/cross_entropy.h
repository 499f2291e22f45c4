#pragma once

#include <ATen/core/Tensor.h>

namespace hire_snn {

/// The cross-entropy of each sample and the gradient of their sum.
struct CrossEntropy {
  at::Tensor losses;    ///< [N]
  at::Tensor gradient;  ///< [N, classes], by the logits: softmax - one-hot(label)
};

/// Computed row by row in the logits' precision, so that a sample's bits do not depend on the others.
///
/// @param logits [N, classes] contiguous, float32 or float64
/// @param labels [N] int64, each below the number of classes
CrossEntropy cross_entropy(const at::Tensor& logits, const at::Tensor& labels);

}  // namespace hire_snn
