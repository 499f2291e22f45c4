#include "tensor_neuron.h"

#include <ATen/Functions.h>

namespace hire_snn {
namespace {

/// surrogate_value() of every element.
at::Tensor surrogate_values(const at::Tensor& x, const Surrogate& surrogate) {
  constexpr double half_pi = 1.57079632679489661923;
  constexpr double one_over_root_pi = 0.56418958354775628695;
  const double a = surrogate.a;
  switch (surrogate.shape) {
    case SurrogateShape::kPiecewiseLinear:
      return x.abs().neg_().add_(1).clamp_min_(0).mul_(a);
    case SurrogateShape::kTriangle:
      return x.abs().mul_(-a * a).add_(a).clamp_min_(0);
    case SurrogateShape::kRectangle:
      return x.abs().lt(a).to(x.scalar_type()).mul_(0.5 / a);
    case SurrogateShape::kSigmoid: {
      const at::Tensor e = x.abs().mul_(-a).exp_();
      return e.mul(a).div_(e.add(1).square_());
    }
    case SurrogateShape::kAtan:
      return x.mul(half_pi * a).square_().add_(1).reciprocal_().mul_(0.5 * a);
    case SurrogateShape::kErf:
      return x.mul(a).square_().neg_().exp_().mul_(a * one_over_root_pi);
    case SurrogateShape::kPiecewiseExponential:
      return x.abs().mul_(-a).exp_().mul_(0.5 * a);
    case SurrogateShape::kFastSigmoid:
      return x.abs().mul_(a).add_(1).square_().reciprocal_();
    case SurrogateShape::kSuperSpike:
      return x.abs().add_(1).square_().reciprocal_().mul_(a);
    case SurrogateShape::kStraightThrough:
      return at::ones_like(x);
  }
  TORCH_INTERNAL_ASSERT(false);
}

class TensorNeurons final : public PlainNeuronLayer {
 public:
  TensorNeurons(NeuronParameters parameters, const Surrogate& surrogate, const at::TensorOptions& options)
      : threshold_(at::full({}, parameters.threshold, options)),
        leak_(at::full({}, parameters.leak, options)),
        surrogate_(surrogate) {}

  Firing fire(at::Tensor currents, std::int64_t timesteps) const override {
    auto shape = currents.sizes().vec();
    const bool constant = shape[0] == 1;
    shape[0] = timesteps;
    Firing firing;
    firing.membrane = at::empty(shape, currents.options());
    at::Tensor potential = at::zeros_like(currents[0]);
    for (std::int64_t t = 0; t < timesteps; ++t) {
      // Product and sum are rounded one after the other, as everywhere.
      at::Tensor membrane = firing.membrane[t];
      at::mul_out(membrane, potential, leak_);
      membrane.add_(currents[constant ? 0 : t]);
      potential = membrane.sub(fires(membrane).mul_(threshold_));
    }
    firing.spikes = fires(firing.membrane);
    firing.counts = firing.spikes.flatten(2).sum(2, /*keepdim=*/false, at::kInt);
    return firing;
  }

  at::Tensor backward(at::Tensor membrane, const at::Tensor& spike_gradient) const override {
    return through_time(direct(membrane, spike_gradient));
  }

  at::Tensor train_backward(at::Tensor membrane, const at::Tensor& spike_gradient,
                            ScalarGradients<double>& scalars) const override {
    at::Tensor by_membrane = direct(membrane, spike_gradient);
    const bool relative = surrogate_.scale == SurrogateScale::kThreshold;
    const at::Tensor by_threshold = relative ? by_membrane.mul(membrane).div_(threshold_) : by_membrane;
    const at::Tensor of_step = by_threshold.sum(at::kDouble);
    at::Tensor currents = through_time(std::move(by_membrane));
    const std::int64_t later = membrane.size(0) - 1;  // steps that have one before them
    const at::Tensor before = membrane.narrow(0, 0, later);
    const at::Tensor fired = fires(before);
    const at::Tensor of_current = currents.narrow(0, 1, later);
    const at::Tensor of_reset = of_current.mul(leak_).mul_(fired).sum(at::kDouble);
    const at::Tensor of_leak = of_current.mul(before.sub(fired.mul(threshold_))).sum(at::kDouble);
    // One copy to the host.
    const at::Tensor sums = at::stack({of_step.add(of_reset).neg_(), of_leak}).to(at::kCPU);
    scalars = {sums[0].item<double>(), sums[1].item<double>()};
    return currents;
  }

 private:
  /// 1 where a membrane is above the threshold, else 0.
  at::Tensor fires(const at::Tensor& membrane) const {
    return membrane.div(threshold_).sub_(1).gt(0).to(membrane.scalar_type());
  }

  /// The gradient by the membranes without what comes through later time steps.
  at::Tensor direct(const at::Tensor& membrane, const at::Tensor& spike_gradient) const {
    const bool relative = surrogate_.scale == SurrogateScale::kThreshold;
    const at::Tensor x = relative ? membrane.div(threshold_).sub_(1) : membrane.sub(threshold_);
    at::Tensor values = surrogate_values(x, surrogate_).mul_(spike_gradient);
    return relative ? values.div_(threshold_) : values;
  }

  /// The gradient by the currents, in the memory of what direct() gave.
  at::Tensor through_time(at::Tensor currents) const {
    for (std::int64_t t = currents.size(0) - 2; t >= 0; --t) {
      at::Tensor current = currents[t];
      current.add_(currents[t + 1].mul(leak_));
    }
    return currents;
  }

  // Not numbers: a GPU would multiply by the reciprocal of a number instead of dividing by it.
  at::Tensor threshold_;
  at::Tensor leak_;
  Surrogate surrogate_;
};

}  // namespace

std::unique_ptr<PlainNeuronLayer> make_tensor_neuron_layer(NeuronParameters parameters,
                                                           const Surrogate& surrogate,
                                                           const at::TensorOptions& options) {
  return std::make_unique<TensorNeurons>(parameters, surrogate, options);
}

}  // namespace hire_snn
