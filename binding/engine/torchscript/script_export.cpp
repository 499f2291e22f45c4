#include "script_export.h"

#include <ATen/ops/scalar_tensor.h>
#include <torch/csrc/jit/api/module.h>

#include <iomanip>
#include <limits>
#include <sstream>

#include "engine/error.h"
#include "engine/per_channel.h"

namespace hire_snn {
namespace {

constexpr auto kClassPrefix = "__torch__.hire_snn.";

/// A literal of float that is read back as the same number.
std::string literal(double value) {
  std::ostringstream text;
  text << std::setprecision(std::numeric_limits<double>::max_digits10) << value;
  const std::string digits = text.str();
  return digits.find_first_of(".en") == std::string::npos ? digits + "." : digits;
}

/// The derivative's code, as a function of `still`; formulas are those of surrogate_value().
std::string slope_source(const Surrogate& surrogate) {
  const std::string a = literal(surrogate.a);
  const std::string size = "torch.abs(still)";
  switch (surrogate.shape) {
    case SurrogateShape::kPiecewiseLinear:
      return a + " * torch.clamp(1. - " + size + ", min=0.)";
    case SurrogateShape::kTriangle:
      return "torch.clamp(" + a + " - " + literal(surrogate.a * surrogate.a) + " * " + size + ", min=0.)";
    case SurrogateShape::kRectangle:
      return "torch.lt(" + size + ", " + a + ").to(still.dtype) * " + literal(0.5 / surrogate.a);
    case SurrogateShape::kSigmoid:
      // exp of a number below 0 only: no overflow at either end.
      return a + " * torch.exp(-" + a + " * " + size + ") / torch.square(1. + torch.exp(-" + a + " * " +
             size + "))";
    case SurrogateShape::kAtan:
      return literal(0.5 * surrogate.a) + " / (1. + torch.square(" +
             literal(1.57079632679489661923 * surrogate.a) + " * still))";
    case SurrogateShape::kErf:
      return literal(0.56418958354775628695 * surrogate.a) + " * torch.exp(-torch.square(" + a + " * still))";
    case SurrogateShape::kPiecewiseExponential:
      return literal(0.5 * surrogate.a) + " * torch.exp(-" + a + " * " + size + ")";
    case SurrogateShape::kFastSigmoid:
      return "1. / torch.square(" + a + " * " + size + " + 1.)";
    case SurrogateShape::kSuperSpike:
      return a + " / torch.square(" + size + " + 1.)";
    case SurrogateShape::kStraightThrough:
      break;
  }
  return "torch.ones_like(still)";
}

/// "self.features" of "features.0.weight" and so on: what names an attribute of a submodule, whose name may
/// be a number.
std::string attribute(const std::string& key) {
  std::string expression = "self";
  std::istringstream steps(key);
  for (std::string step; std::getline(steps, step, '.');) {
    const bool number = !step.empty() && std::isdigit(static_cast<unsigned char>(step.front()));
    expression = number ? "getattr(" + expression + ", \"" + step + "\")" : expression + "." + step;
  }
  return expression;
}

std::string pair(std::int64_t value) {
  const std::string text = std::to_string(value);
  return "[" + text + ", " + text + "]";
}

std::string convolution(const std::string& input, const std::string& key, std::int64_t kernel,
                        std::int64_t stride) {
  return "torch.conv2d(" + input + ", " + attribute(key) + ", None, " + pair(stride) + ", " +
         pair((kernel - 1) / 2) + ")";
}

/// The weighted sums into a layer.
std::string synapses(const LayerPlan& layer, const LayerKeys& keys, const std::string& input) {
  switch (layer.kind) {
    case LayerKind::kConv:
      return convolution(input, keys.weight, layer.kernel, layer.stride);
    case LayerKind::kAveragePool:
      return "torch.avg_pool2d(" + input + ", [2, 2], [2, 2])";
    case LayerKind::kLinear:
    case LayerKind::kOutput:
      return "torch.linear(torch.flatten(" + input + ", 1), " + attribute(keys.weight) + ")";
  }
  TORCH_INTERNAL_ASSERT(false);
}

/// A tensor of zeros as an expression.
std::string zeros(const LayerPlan& layer) {
  std::string sizes = "images.size(0), " + std::to_string(layer.output[0]);
  if (layer.kind == LayerKind::kConv)
    sizes += ", " + std::to_string(layer.output[1]) + ", " + std::to_string(layer.output[2]);
  return "torch.zeros([" + sizes + "], dtype=images.dtype, device=images.device)";
}

}  // namespace

std::string script_source(const ScriptExport& network) {
  const NetworkPlan& plan = network.plan;
  const bool by_threshold = plan.surrogate.scale == SurrogateScale::kThreshold;
  const bool spiking = plan.neurons == NeuronKind::kSpiking;
  std::ostringstream code;
  if (spiking)
    code << "def fire(self, membrane: Tensor, threshold: Tensor) -> Tuple[Tensor, Tensor]:\n"
         << "  u = membrane / threshold - 1.\n"
         << "  fired = torch.gt(u, 0.).to(membrane.dtype)\n"
         << "  argument = " << (by_threshold ? "u" : "membrane - threshold") << "\n"
         << "  still = torch.detach(argument)\n"
         << "  spikes = fired + (argument - still) * (" << slope_source(plan.surrogate) << ")\n"
         << "  return spikes, membrane - threshold * fired\n\n";
  code << "def forward(self, images: Tensor) -> "
       << (network.with_spikes ? "Tuple[Tensor, Tensor]" : "Tensor") << ":\n"
       << "  input = " << (network.with_normalisation ? "(images - self.mean) / self.std" : "images") << "\n";

  // Direct coding: what the first layer receives is the same at every time step.
  std::ostringstream steps;
  std::string signal = "input";
  std::int64_t counted = 0;
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    const LayerPlan& layer = plan.layers[i];
    const LayerKeys& keys = network.keys.at(i);
    const std::string index = std::to_string(i);
    std::string sums = synapses(layer, keys, signal);
    if (i == 0) {
      code << "  first = " << sums << "\n";
      sums = "first";
    }
    if (layer.shortcut) {
      const Shortcut& shortcut = *layer.shortcut;
      const std::string earlier = "s" + std::to_string(shortcut.from);
      sums = "(" + sums + " + " +
             (shortcut.weight.defined() ? convolution(earlier, keys.shortcut, 1, shortcut.stride) : earlier) +
             ")";
    }
    if (layer.kind == LayerKind::kOutput) {
      code << "  logits = " << zeros(layer) << "\n";
      steps << "    logits = logits + " << sums << "\n";
      break;
    }
    signal = "s" + index;
    std::string active = signal;
    if (layer.spikes() && !spiking) {
      steps << "    s" << index << " = torch.relu(" << sums << ")\n";
      active = "torch.ne(" + signal + ", 0.)";
    } else if (layer.spikes()) {
      code << "  v" << index << " = " << zeros(layer) << "\n";
      steps << "    s" << index << ", v" << index << " = self.fire(" << attribute(keys.leak) << " * v"
            << index << " + " << sums << ", " << attribute(keys.threshold) << ")\n";
    } else {
      steps << "    s" << index << " = " << sums << "\n";
      active = "torch.ne(" + signal + ", 0.)";
    }
    if (network.with_spikes)
      steps << "    counts.append(torch.sum(torch.flatten(torch.detach(" << active << "), 1), 1))\n";
    ++counted;
  }
  // An annotation, since an empty list says nothing of its elements.
  if (network.with_spikes) code << "  counts : List[Tensor] = []\n";
  code << "  for t in range(self.timesteps):\n" << steps.str();
  if (network.with_spikes) {
    const int integer = static_cast<int>(at::kInt);
    code << "  shape = [images.size(0), self.timesteps, " << counted << "]\n"
         << "  spikes = torch.transpose(torch.reshape(torch.stack(counts, 1), shape), 1, 2)\n"
         << "  return logits, spikes.to(" << integer << ")\n";
  } else {
    code << "  return logits\n";
  }
  return code.str();
}

namespace {

/// A module that is being put together: submodules by name are made when a key first names them.
class ModuleBuilder {
 public:
  ModuleBuilder() : root_(c10::QualifiedName(std::string(kClassPrefix) + "SpikingNetwork"), unit_) {}

  torch::jit::Module& root() { return root_; }

  void parameter(const std::string& key, const at::Tensor& value) {
    std::vector<std::string> steps;
    std::istringstream stream(key);
    for (std::string step; std::getline(stream, step, '.');) steps.push_back(step);
    torch::jit::Module owner = root_;
    for (std::size_t i = 0; i + 1 < steps.size(); ++i) {
      if (!owner.hasattr(steps[i])) {
        owner.register_module(
            steps[i], torch::jit::Module(c10::QualifiedName(std::string(kClassPrefix) + "Part"), unit_,
                                         /*shouldMangle=*/true));
      }
      owner = owner.attr(steps[i]).toModule();
    }
    owner.register_parameter(steps.back(), value.detach().clone(), /*is_buffer=*/false);
  }

 private:
  std::shared_ptr<torch::jit::CompilationUnit> unit_ = std::make_shared<torch::jit::CompilationUnit>();
  torch::jit::Module root_;
};

}  // namespace

void export_script(const ScriptExport& network, const std::string& path) {
  const NetworkPlan& plan = network.plan;
  plan.check();
  ModuleBuilder builder;
  const auto scalar = [&](double value) { return at::scalar_tensor(value, at::kDouble).to(plan.dtype); };
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    const LayerPlan& layer = plan.layers[i];
    const LayerKeys& keys = network.keys.at(i);
    if (layer.weight.defined()) builder.parameter(keys.weight, layer.weight.to(plan.dtype));
    if (layer.shortcut && layer.shortcut->weight.defined())
      builder.parameter(keys.shortcut, layer.shortcut->weight.to(plan.dtype));
    if (layer.spikes() && plan.neurons == NeuronKind::kSpiking) {
      builder.parameter(keys.threshold, scalar(layer.neuron.threshold));
      builder.parameter(keys.leak, scalar(layer.neuron.leak));
    }
  }
  torch::jit::Module& module = builder.root();
  module.register_attribute("training", c10::BoolType::get(), false);
  module.register_attribute("timesteps", c10::IntType::get(), plan.timesteps);
  if (network.with_normalisation) {
    module.register_buffer("mean", per_channel(plan.mean, plan.dtype));
    module.register_buffer("std", per_channel(plan.std, plan.dtype));
  }
  module.define(script_source(network));
  module.save(path, {{network.metadata_name, network.metadata}});
}

}  // namespace hire_snn
