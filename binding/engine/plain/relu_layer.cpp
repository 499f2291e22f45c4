#include <ATen/Functions.h>

#include "plain_neuron.h"

namespace hire_snn {
namespace {

class ReluLayer final : public PlainNeuronLayer {
 public:
  Firing fire(at::Tensor currents, std::int64_t timesteps) const override {
    TORCH_CHECK(timesteps == 1 && currents.size(0) == 1, "Expected one time step, but found ",
                currents.sizes());
    Firing firing;
    firing.spikes = at::relu(currents);
    firing.counts = currents.gt(0).flatten(2).sum(2, /*keepdim=*/false, at::kInt);
    firing.membrane = std::move(currents);
    return firing;
  }

  at::Tensor backward(at::Tensor membrane, const at::Tensor& gradient) const override {
    return gradient.mul(membrane.gt(0));
  }

  /// It has no scalars.
  at::Tensor train_backward(at::Tensor membrane, const at::Tensor& spike_gradient,
                            ScalarGradients<double>& scalars) const override {
    scalars = {0, 0};
    return backward(std::move(membrane), spike_gradient);
  }
};

}  // namespace

std::unique_ptr<PlainNeuronLayer> make_relu_layer() { return std::make_unique<ReluLayer>(); }

}  // namespace hire_snn
