#include "script_module.h"

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/runtime/print_handler.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <bit>
#include <iostream>
#include <unordered_set>

#include "engine/error.h"
#include "script_failure.h"
#include "script_warnings.h"

namespace hire_snn {
namespace {

using c10::IValue;

/// Settings of the process, made once.
void prepare_runtime() {
  static const bool done = [] {
    // The profiling executor compiles a function anew after its first runs, with other derivatives: the bits
    // of gradients would change while it warms up.
    torch::jit::getProfilingMode() = false;
    // stdout is the package's own: results go there, perhaps as JSON.
    torch::jit::setPrintHandler([](const std::string& text) { std::cerr << text; });
    return true;
  }();
  (void)done;
}

/// What a module holds, as numbers that change when anything in it is replaced or written to. Weights count
/// by their identity and libtorch's count of the writes to them, not by their values.
class Fingerprint {
 public:
  explicit Fingerprint(const torch::jit::Module& module) { visit(module._ivalue()); }

  bool operator==(const Fingerprint& other) const { return marks_ == other.marks_; }

 private:
  void visit(const IValue& value) {
    if (value.isTensor()) {
      const at::Tensor& tensor = value.toTensor();
      mark(tensor.unsafeGetTensorImpl());
      if (tensor.defined() && !tensor.is_inference()) marks_.push_back(tensor._version());
    } else if (value.isObject()) {
      const auto object = value.toObject();
      mark(object.get());
      if (!seen_.insert(object.get()).second) return;
      for (const IValue& slot : object->slots()) visit(slot);
    } else if (value.isTuple()) {
      for (const IValue& element : value.toTupleRef().elements()) visit(element);
    } else if (value.isList()) {
      marks_.push_back(value.toListRef().size());
      for (const IValue& element : value.toListRef()) visit(element);
    } else if (value.isGenericDict()) {
      for (const auto& entry : value.toGenericDict()) {
        visit(entry.key());
        visit(entry.value());
      }
    } else if (value.isInt()) {
      marks_.push_back(static_cast<std::uint64_t>(value.toInt()));
    } else if (value.isDouble()) {
      marks_.push_back(std::bit_cast<std::uint64_t>(value.toDouble()));
    } else if (value.isBool()) {
      marks_.push_back(value.toBool() ? 1 : 0);
    } else if (value.isString()) {
      marks_.push_back(std::hash<std::string>{}(value.toStringRef()));
    }
    // All else (devices, packed quantised weights) has no operators that write to it.
  }

  void mark(const void* address) { marks_.push_back(std::bit_cast<std::uintptr_t>(address)); }

  std::vector<std::uint64_t> marks_;
  std::unordered_set<const void*> seen_;
};

std::string describe(const c10::FunctionSchema& schema) {
  std::string text = schema.name() + "(";
  const char* separator = "";
  for (const auto& argument : schema.arguments()) {
    if (argument.name() == "self") continue;
    text += separator + argument.type()->annotation_str() + " " + argument.name();
    if (argument.default_value()) text += " = " + c10::str(*argument.default_value());
    separator = ", ";
  }
  text += ")";
  const auto& returns = schema.returns();
  if (!returns.empty()) text += " -> " + returns.front().type()->annotation_str();
  return text;
}

/// Whether it can be called with one tensor.
bool takes_one_tensor(const c10::FunctionSchema& schema) {
  const auto& arguments = schema.arguments();
  if (arguments.size() < 2 || !arguments[1].type()->isSubtypeOf(*c10::TensorType::get())) return false;
  return std::all_of(arguments.begin() + 2, arguments.end(),
                     [](const auto& argument) { return argument.default_value().has_value(); });
}

torch::jit::Module load(const std::string& path, at::Device device) {
  prepare_runtime();
  const ScriptWarnings once_each;
  try {
    return torch::jit::load(path, device);
  } catch (const std::exception& error) {
    throw loading_failure(path, error);
  }
}

/// "a.b" from "a" and "b".
std::string joined(const std::string& path, const std::string& step) {
  return path.empty() ? step : path + "." + step;
}

void list_outputs(const IValue& value, const std::string& path, std::vector<ScriptOutput>& outputs) {
  if (value.isTensor()) {
    if (value.toTensor().defined()) outputs.push_back({path, value.toTensor()});
  } else if (value.isTuple()) {
    const auto tuple = value.toTuple();
    const auto names = tuple->type()->names();
    for (std::size_t i = 0; i < tuple->elements().size(); ++i) {
      const std::string step = names ? std::string((*names)[i]) : std::to_string(i);
      list_outputs(tuple->elements()[i], joined(path, step), outputs);
    }
  } else if (value.isList()) {
    const auto elements = value.toListRef();
    for (std::size_t i = 0; i < elements.size(); ++i)
      list_outputs(elements[i], joined(path, std::to_string(i)), outputs);
  } else if (value.isGenericDict()) {
    for (const auto& entry : value.toGenericDict()) {
      const std::string key = entry.key().isString() ? entry.key().toStringRef() : c10::str(entry.key());
      list_outputs(entry.value(), joined(path, key), outputs);
    }
  } else if (value.isObject() && !value.isModule()) {
    const auto object = value.toObject();
    for (std::size_t i = 0; i < object->slots().size(); ++i)
      list_outputs(object->getSlot(i), joined(path, object->type()->getAttributeName(i)), outputs);
  }
}

}  // namespace

struct ScriptModule::Program {
  torch::jit::Module module;
  std::optional<Fingerprint> fingerprint;  ///< of a module that a run has left as it was
  std::vector<ScriptMethod> methods;
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;
  std::int64_t bytes = 0;
  bool was_training = false;
  bool changes_itself = false;

  std::vector<ScriptOutput> run(torch::jit::Module& runnable, const at::Tensor& input) const {
    const ScriptWarnings once_each;
    std::vector<ScriptOutput> outputs;
    try {
      list_outputs(runnable.forward({input.to(device)}), "", outputs);
    } catch (const std::exception& error) {
      throw running_failure(error);
    }
    return outputs;
  }

  void take_weights(std::optional<at::ScalarType> wanted);
};

void ScriptModule::Program::take_weights(std::optional<at::ScalarType> wanted) {
  std::vector<at::Tensor> weights;
  for (const at::Tensor& parameter : module.parameters()) weights.push_back(parameter);
  for (const at::Tensor& buffer : module.buffers()) weights.push_back(buffer);
  bool any_double = false;
  bool any_other = false;
  for (at::Tensor& weight : weights) {
    if (weight.is_leaf()) weight.requires_grad_(false);
    if (weight.is_floating_point()) {
      const auto found = weight.scalar_type();
      const auto narrow = found == at::kHalf || found == at::kBFloat16;
      const auto target = wanted.value_or(narrow ? at::kFloat : found);
      if (target != found) weight.set_data(weight.to(target));
      (target == at::kDouble ? any_double : any_other) = true;
    }
    bytes += static_cast<std::int64_t>(weight.nbytes());
  }
  // Without weights there is nothing that would say: then it is as asked for.
  dtype = wanted.value_or(any_double && !any_other ? at::kDouble : at::kFloat);
}

ScriptModule::ScriptModule(const std::string& path, std::optional<at::ScalarType> dtype, at::Device device)
    : program_(std::make_unique<Program>()) {
  torch::jit::Module& module = program_->module;
  auto& methods = program_->methods;
  program_->device = device;
  module = load(path, device);
  for (const auto& method : module.get_methods())
    methods.push_back({method.name(), describe(method.function().getSchema())});
  const auto forward = module.find_method("forward");
  if (!forward || !takes_one_tensor(forward->function().getSchema())) {
    std::string found;
    for (const auto& method : methods) found += (found.empty() ? "" : ", ") + method.signature;
    throw CodedError("SCRIPT_INVALID",
                     "Expected a method forward(Tensor) in " + path + " but found " +
                         (found.empty() ? "no methods" : found) +
                         "; wrap it in a module whose forward() takes a batch of images, and "
                         "export that");
  }
  program_->was_training = module.hasattr("training") && module.is_training();
  module.eval();
  program_->take_weights(dtype);
}

ScriptModule::~ScriptModule() = default;

at::ScalarType ScriptModule::dtype() const { return program_->dtype; }
at::Device ScriptModule::device() const { return program_->device; }
const std::vector<ScriptMethod>& ScriptModule::methods() const { return program_->methods; }
std::int64_t ScriptModule::bytes() const { return program_->bytes; }
bool ScriptModule::was_training() const { return program_->was_training; }
bool ScriptModule::changes_itself() const { return program_->changes_itself; }

std::vector<ScriptOutput> ScriptModule::forward_without_gradient(const at::Tensor& input) {
  const at::NoGradGuard no_gradient;
  return forward(input);
}

std::vector<ScriptOutput> ScriptModule::forward(const at::Tensor& input) {
  Program& program = *program_;
  if (program.changes_itself) {
    torch::jit::Module copy = program.module.deepcopy();
    return program.run(copy, input);
  }
  if (!program.fingerprint) {
    // The first run is on a copy, so that there is an untouched one if it turns out to change itself.
    torch::jit::Module copy = program.module.deepcopy();
    const Fingerprint before(copy);
    std::vector<ScriptOutput> outputs = program.run(copy, input);
    program.changes_itself = !(Fingerprint(copy) == before);
    program.fingerprint.emplace(program.module);
    return outputs;
  }
  std::vector<ScriptOutput> outputs = program.run(program.module, input);
  if (!(Fingerprint(program.module) == *program.fingerprint)) {
    throw CodedError(
        "SCRIPT_FAILED",
        "Expected a script that changes its state at every call or at none, but its first call did "
        "not and a later one did: what it gives depends on what it was given before. Have its "
        "forward() start from the same state each time");
  }
  return outputs;
}

}  // namespace hire_snn
