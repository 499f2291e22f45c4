#include "fixture.h"

#include <torch/csrc/jit/serialization/pickle.h>

#include <fstream>
#include <iterator>
#include <stdexcept>

namespace hire_snn::parity {
namespace {

using Dictionary = c10::Dict<c10::IValue, c10::IValue>;

c10::IValue entry(const Dictionary& dictionary, const char* key) {
  const auto found = dictionary.find(key);
  if (found == dictionary.end()) throw std::runtime_error(std::string("Expected an entry ") + key);
  return found->value();
}

Shape shape_of(const c10::IValue& value) {
  const auto sizes = value.toList();
  if (sizes.size() != 3) throw std::runtime_error("Expected [C, H, W] for a shape");
  return {sizes.get(0).toInt(), sizes.get(1).toInt(), sizes.get(2).toInt()};
}

std::vector<double> numbers_of(const c10::IValue& value) {
  std::vector<double> numbers;
  for (const c10::IValue& number : value.toListRef()) numbers.push_back(number.toDouble());
  return numbers;
}

LayerPlan layer_of(const Dictionary& from) {
  LayerPlan layer{.kind = layer_kind(entry(from, "kind").toStringRef()),
                  .name = entry(from, "name").toStringRef(),
                  .input = shape_of(entry(from, "input")),
                  .output = shape_of(entry(from, "output"))};
  if (layer.kind == LayerKind::kConv) layer.kernel = entry(from, "kernel").toInt();
  if (layer.kind != LayerKind::kAveragePool) layer.weight = entry(from, "weight").toTensor();
  if (layer.spikes()) layer.neuron = {entry(from, "threshold").toDouble(), entry(from, "leak").toDouble()};
  return layer;
}

}  // namespace

Fixture read_fixture(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("Expected a fixture at " + path + " but it cannot be read");
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  const c10::IValue value = torch::jit::pickle_load(bytes);
  const Dictionary from = value.toGenericDict();
  Fixture fixture;
  fixture.name = entry(from, "name").toStringRef();
  for (const c10::IValue& layer : entry(from, "layers").toListRef()) {
    fixture.plan.layers.push_back(layer_of(layer.toGenericDict()));
  }
  fixture.plan.mean = numbers_of(entry(from, "mean"));
  fixture.plan.std = numbers_of(entry(from, "std"));
  fixture.plan.timesteps = entry(from, "timesteps").toInt();
  fixture.plan.dtype = at::kFloat;
  fixture.images = entry(from, "images").toTensor();
  fixture.labels = entry(from, "labels").toTensor();
  fixture.logits = entry(from, "logits").toTensor();
  fixture.gradient = entry(from, "gradient").toTensor();
  return fixture;
}

}  // namespace hire_snn::parity
