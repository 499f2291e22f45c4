#pragma once

namespace hire_snn {

/// One update of a weight w by its gradient g, as torch.optim.SGD and torch.optim.Adam make it:
///
///     g        = g + weight_decay * w
///     SGD:       buffer = momentum * buffer + g                        (without momentum: g itself)
///                w = w - step * buffer
///     Adam:      mean = mean + mean_share * (g - mean)                 (Kingma and Ba, ICLR 2015)
///                squares = squares_kept * squares + squares_share * g^2
///                largest = max(largest, squares)                       (AMSGrad; without it: squares itself)
///                w = w - step * mean / (root_scale * sqrt(largest) + epsilon)
struct UpdateRule {
  enum class Kind { kSgd, kAdam };
  Kind kind = Kind::kAdam;
  float weight_decay = 0;
  float step = 0;           ///< the learning rate; Adam's over 1 - beta1^n at the nth update
  float momentum = 0;       ///< of SGD
  float mean_share = 0;     ///< of Adam: 1 - beta1
  float squares_kept = 0;   ///< beta2
  float squares_share = 0;  ///< 1 - beta2
  float root_scale = 0;     ///< 1 / sqrt(1 - beta2^n)
  float epsilon = 0;
};

/// Tensors that an optimizer keeps beside a weight, in the order of the formulas; null where there is none.
constexpr int kMoments = 3;

}  // namespace hire_snn
