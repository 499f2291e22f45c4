#include "plan_argument.h"

#include <ATen/ops/from_blob.h>

#include "arguments.h"
#include "engine/error.h"
#include "tensor_handle.h"

namespace hire_snn {
namespace {

Surrogate surrogate_argument(const Napi::Object& object) {
  const std::string name = string_argument(object.Get("shape"), "surrogate.shape");
  const std::string scale = string_argument(object.Get("scale"), "surrogate.scale");
  const auto shape = surrogate_shape(name);
  if (!shape || (scale != "threshold" && scale != "absolute")) {
    throw CodedError("INVALID_ARGUMENT", "There is no surrogate gradient " + name + " on the scale " + scale);
  }
  return {*shape, number_argument(object.Get("a"), "surrogate.a"),
          scale == "threshold" ? SurrogateScale::kThreshold : SurrogateScale::kAbsolute};
}

/// Reads `weight` and `weightShape` of an object; the tensor aliases JavaScript's memory, which `pins` keeps
/// alive.
at::Tensor weight_argument(const Napi::Object& object, const std::string& owner,
                           std::vector<Napi::ObjectReference>& pins) {
  const Napi::TypedArray weight = typed_array_argument(object.Get("weight"), "weight");
  const auto shape = shape_argument(object.Get("weightShape"), "weightShape");
  std::int64_t elements = 1;
  for (const auto size : shape) elements *= size;
  if (elements != static_cast<std::int64_t>(weight.ElementLength())) {
    throw CodedError("NETWORK_INVALID", "Expected " + std::to_string(elements) + " weights for " + owner +
                                            " but found " + std::to_string(weight.ElementLength()));
  }
  pins.push_back(Napi::Persistent(weight.As<Napi::Object>()));
  return at::from_blob(typed_array_data(weight), shape, at::TensorOptions(typed_array_dtype(weight)));
}

std::int64_t optional_integer(const Napi::Object& object, const char* name, std::int64_t otherwise) {
  return object.Has(name) ? integer_argument(object.Get(name), name) : otherwise;
}

Shortcut shortcut_argument(const Napi::Object& object, const std::string& layer,
                           std::vector<Napi::ObjectReference>& pins) {
  Shortcut shortcut;
  const std::int64_t from = integer_argument(object.Get("from"), "shortcut.from");
  if (from < 0) throw CodedError("NETWORK_INVALID", "Expected a layer of at least 0 for shortcut.from");
  shortcut.from = static_cast<std::size_t>(from);
  shortcut.stride = optional_integer(object, "stride", 1);
  if (object.Has("weight")) shortcut.weight = weight_argument(object, "the shortcut into " + layer, pins);
  return shortcut;
}

NeuronKind neurons_argument(const Napi::Object& plan) {
  if (!plan.Has("neurons")) return NeuronKind::kSpiking;
  const std::string name = string_argument(plan.Get("neurons"), "neurons");
  if (name == "spiking") return NeuronKind::kSpiking;
  if (name == "relu") return NeuronKind::kRelu;
  throw CodedError("INVALID_ARGUMENT", "Expected spiking or relu for neurons but received " + name);
}

LayerPlan layer_argument(const Napi::Object& object, NeuronKind neurons,
                         std::vector<Napi::ObjectReference>& pins) {
  LayerPlan layer;
  layer.kind = layer_kind(string_argument(object.Get("kind"), "layer.kind"));
  layer.name = string_argument(object.Get("name"), "layer.name");
  layer.input = image_shape_argument(object.Get("inputShape"), "layer.inputShape");
  layer.output = image_shape_argument(object.Get("outputShape"), "layer.outputShape");
  if (layer.kind == LayerKind::kConv) {
    layer.kernel = integer_argument(object.Get("kernel"), "layer.kernel");
    layer.stride = optional_integer(object, "stride", 1);
  }
  if (layer.spikes() && neurons == NeuronKind::kSpiking) {
    layer.neuron = {number_argument(object.Get("threshold"), "layer.threshold"),
                    number_argument(object.Get("leak"), "layer.leak")};
  }
  if (layer.kind != LayerKind::kAveragePool) layer.weight = weight_argument(object, layer.name, pins);
  if (object.Has("shortcut")) {
    layer.shortcut =
        shortcut_argument(object_argument(object.Get("shortcut"), "layer.shortcut"), layer.name, pins);
  }
  return layer;
}

}  // namespace

NetworkPlan plan_argument(const Napi::Object& object, std::vector<Napi::ObjectReference>& pins) {
  NetworkPlan plan;
  plan.neurons = neurons_argument(object);
  const Napi::Array layers = array_argument(object.Get("layers"), "layers");
  for (std::uint32_t i = 0; i < layers.Length(); ++i) {
    plan.layers.push_back(layer_argument(object_argument(layers.Get(i), "a layer"), plan.neurons, pins));
  }
  plan.mean = numbers_argument(object.Get("mean"), "mean");
  plan.std = numbers_argument(object.Get("std"), "std");
  plan.timesteps = integer_argument(object.Get("timesteps"), "timesteps");
  plan.surrogate = surrogate_argument(object_argument(object.Get("surrogate"), "surrogate"));
  plan.dtype = dtype_from_name(string_argument(object.Get("dtype"), "dtype"));
  if (object.Has("rateCoding")) {
    const auto words =
        numbers_argument(object_argument(object.Get("rateCoding"), "rateCoding").Get("key"), "key");
    if (words.size() != 2) throw CodedError("INVALID_ARGUMENT", "Expected two words for rateCoding.key");
    plan.rate_coding = {static_cast<std::uint64_t>(words[1]) << 32 | static_cast<std::uint64_t>(words[0])};
  }
  return plan;
}

NetworkPlan with_own_weights(NetworkPlan plan) {
  const auto own = [&](at::Tensor& weight) {
    if (weight.defined()) weight = weight.to(plan.dtype, /*non_blocking=*/false, /*copy=*/true);
  };
  for (auto& layer : plan.layers) {
    own(layer.weight);
    if (layer.shortcut) own(layer.shortcut->weight);
  }
  return plan;
}

}  // namespace hire_snn
