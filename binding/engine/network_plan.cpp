#include "network_plan.h"

#include <c10/util/StringUtil.h>

#include <cmath>

#include "error.h"

namespace hire_snn {
namespace {

[[noreturn]] void reject(const std::string& message) { throw CodedError("NETWORK_INVALID", message); }

void check_weight(const std::string& name, const at::Tensor& weight,
                  const std::vector<std::int64_t>& expected) {
  if (!weight.defined() || weight.sizes() != at::IntArrayRef(expected)) {
    const std::string found = weight.defined() ? c10::str(weight.sizes()) : "none";
    reject("Expected a weight of shape " + c10::str(at::IntArrayRef(expected)) + " for " + name +
           " but found " + found);
  }
}

/// The side of a map behind a convolution with padding (kernel - 1) / 2.
std::int64_t strided(std::int64_t side, std::int64_t stride) { return (side - 1) / stride + 1; }

void check_conv(const LayerPlan& layer) {
  if (layer.kernel < 1 || layer.kernel % 2 == 0) {
    reject("Expected an odd kernel size for " + layer.name + " but found " + std::to_string(layer.kernel));
  }
  if (layer.stride < 1) {
    reject("Expected a stride of at least 1 for " + layer.name + " but found " +
           std::to_string(layer.stride));
  }
  const Shape expected{layer.output[0], strided(layer.input[1], layer.stride),
                       strided(layer.input[2], layer.stride)};
  if (layer.output != expected) {
    reject("Expected " + layer.name + " to give " + to_string(expected) + " but found " +
           to_string(layer.input) + " -> " + to_string(layer.output));
  }
  check_weight(layer.name, layer.weight, {layer.output[0], layer.input[0], layer.kernel, layer.kernel});
}

void check_layer(const LayerPlan& layer, NeuronKind neurons) {
  switch (layer.kind) {
    case LayerKind::kConv:
      check_conv(layer);
      break;
    case LayerKind::kAveragePool:
      if (layer.output != Shape{layer.input[0], layer.input[1] / 2, layer.input[2] / 2} ||
          layer.output[1] < 1 || layer.output[2] < 1) {
        reject("Expected " + layer.name + " to halve the map but found " + to_string(layer.input) + " -> " +
               to_string(layer.output));
      }
      break;
    case LayerKind::kLinear:
    case LayerKind::kOutput:
      if (layer.output[1] != 1 || layer.output[2] != 1) {
        reject("Expected a flat output of " + layer.name + " but found " + to_string(layer.output));
      }
      check_weight(layer.name, layer.weight, {layer.output[0], elements(layer.input)});
      break;
  }
  const auto& [threshold, leak] = layer.neuron;
  if (neurons == NeuronKind::kSpiking && layer.spikes() &&
      !(threshold > 0 && std::isfinite(threshold) && std::isfinite(leak))) {
    reject("Expected a finite threshold above 0 and a finite leak for " + layer.name + " but found " +
           std::to_string(threshold) + " and " + std::to_string(leak));
  }
}

void check_shortcut(const std::vector<LayerPlan>& layers, std::size_t index) {
  const LayerPlan& layer = layers[index];
  const Shortcut& shortcut = *layer.shortcut;
  if (layer.kind != LayerKind::kConv || index == 0) {
    reject("Expected shortcuts into convolutions behind the first layer only but found one into " +
           layer.name);
  }
  if (shortcut.from + 1 >= index || shortcut.stride < 1) {
    reject("Expected the shortcut into " + layer.name + " to start before the layer in front of it");
  }
  Shape shape = layers[shortcut.from].output;
  if (shortcut.weight.defined()) {
    check_weight("the shortcut into " + layer.name, shortcut.weight, {layer.output[0], shape[0], 1, 1});
    shape = {layer.output[0], strided(shape[1], shortcut.stride), strided(shape[2], shortcut.stride)};
  }
  if (shape != layer.output) {
    reject("Expected the shortcut into " + layer.name + " to give " + to_string(layer.output) +
           " but found " + to_string(shape));
  }
}

}  // namespace

LayerKind layer_kind(const std::string& name) {
  if (name == "conv") return LayerKind::kConv;
  if (name == "average-pool") return LayerKind::kAveragePool;
  if (name == "linear") return LayerKind::kLinear;
  if (name == "output") return LayerKind::kOutput;
  reject("There is no layer of kind " + name);
}

std::string to_string(const Shape& shape) {
  return std::to_string(shape[0]) + "x" + std::to_string(shape[1]) + "x" + std::to_string(shape[2]);
}

std::vector<CountedSynapse> NetworkPlan::counted_synapses() const {
  std::vector<CountedSynapse> synapses;
  for (std::size_t i = 1; i < layers.size(); ++i) {
    const LayerPlan& layer = layers[i];
    if (layer.kind != LayerKind::kAveragePool) synapses.push_back({i - 1, i, /*shortcut=*/false});
    // Engines let go of weights once they have packed them: what has weights is asked before.
    if (layer.shortcut && layer.shortcut->weight.defined()) {
      synapses.push_back({layer.shortcut->from, i, /*shortcut=*/true});
    }
  }
  return synapses;
}

void NetworkPlan::check() const {
  if (layers.size() < 2 || !layers.front().spikes() || layers.back().kind != LayerKind::kOutput) {
    reject("Expected a spiking first layer and an output layer at the end");
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    check_layer(layers[i], neurons);
    if (layers[i].shortcut) check_shortcut(layers, i);
    if (i + 1 < layers.size() && layers[i].kind == LayerKind::kOutput) {
      reject("Expected the output layer at the end only but found " + layers[i].name + " before it");
    }
    if (i > 0 && layers[i].input != layers[i - 1].output &&
        !(layers[i].kind >= LayerKind::kLinear &&
          elements(layers[i].input) == elements(layers[i - 1].output))) {
      reject("Expected the input of " + layers[i].name + " to be " + to_string(layers[i - 1].output) +
             " but found " + to_string(layers[i].input));
    }
  }
  if (neurons == NeuronKind::kRelu && timesteps != 1) {
    reject("Expected one time step of rectified linear units but found " + std::to_string(timesteps));
  }
  if (neurons == NeuronKind::kRelu && rate_coding) {
    reject("Expected direct coding of a network of rectified linear units");
  }
  if (timesteps < 1) reject("Expected at least one time step but found " + std::to_string(timesteps));
  const auto channels = static_cast<std::size_t>(input()[0]);
  if (mean.size() != channels || std.size() != channels) {
    reject("Expected a mean and a standard deviation for each of " + std::to_string(channels) +
           " channels but found " + std::to_string(mean.size()) + " and " + std::to_string(std.size()));
  }
  for (const double deviation : std) {
    if (!(deviation > 0)) {
      reject("Expected standard deviations above 0 but found " + std::to_string(deviation));
    }
  }
}

}  // namespace hire_snn
