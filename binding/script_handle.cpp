#include "script_handle.h"

#include "arguments.h"
#include "engine/cuda/nvidia_device.h"
#include "engine/error.h"
#include "engine/torchscript/script_export.h"
#include "network_handle.h"
#include "plan_argument.h"
#include "tensor_handle.h"

namespace hire_snn {
namespace {

struct ModuleConstruction {
  std::shared_ptr<ScriptModule> script;
};

struct ClassifierConstruction {
  std::shared_ptr<const ScriptClassifier> classifier;
};

at::ScalarType floating_dtype_argument(const Napi::Value& value) {
  const at::ScalarType dtype = dtype_from_name(string_argument(value, "dtype"));
  if (!at::isFloatingType(dtype))
    throw CodedError("INVALID_ARGUMENT", "Expected float32 or float64 for dtype");
  return dtype;
}

ScriptPlan script_plan_argument(const Napi::Object& object) {
  ScriptPlan plan;
  plan.input = image_shape_argument(object.Get("inputShape"), "inputShape");
  plan.mean = numbers_argument(object.Get("mean"), "mean");
  plan.std = numbers_argument(object.Get("std"), "std");
  const auto channels = static_cast<std::size_t>(plan.input[0]);
  if (plan.mean.size() != channels || plan.std.size() != channels)
    throw CodedError("INVALID_ARGUMENT", "Expected a mean and a std for each channel");
  if (object.Has("output")) plan.output = string_argument(object.Get("output"), "output");
  if (object.Has("classes")) plan.classes = integer_argument(object.Get("classes"), "classes");
  if (object.Has("microBatch")) {
    plan.micro_batch = integer_argument(object.Get("microBatch"), "microBatch");
    if (*plan.micro_batch < 1)
      throw CodedError("INVALID_ARGUMENT", "Expected at least 1 image for microBatch");
  }
  plan.allow_zero_gradient = object.Get("allowZeroGradient").ToBoolean();
  return plan;
}

/// On the CPU, in a dtype that JavaScript has arrays for.
at::Tensor readable(const at::Tensor& result) {
  const at::Tensor value = result.to(at::kCPU);
  switch (value.scalar_type()) {
    case at::kFloat:
    case at::kDouble:
    case at::kInt:
      return value;
    case at::kLong:
      return value.to(at::kDouble);
    case at::kHalf:
    case at::kBFloat16:
      return value.to(at::kFloat);
    default:
      return value.to(at::kInt);
  }
}

}  // namespace

void ScriptModuleHandle::define(Napi::Env env) {
  const Napi::Function constructor =
      DefineClass(env, "NativeScriptModule",
                  {InstanceMethod("forward", &ScriptModuleHandle::forward),
                   InstanceMethod("classifier", &ScriptModuleHandle::classifier),
                   InstanceMethod("dispose", &ScriptModuleHandle::dispose)});
  Environment::of(env).script_module_class = Napi::Persistent(constructor);
}

Napi::Value ScriptModuleHandle::load(const Napi::CallbackInfo& info) {
  const std::string path = string_argument(info[0], "path");
  std::optional<at::ScalarType> dtype;
  const std::optional<int> gpu = gpu_argument(info[1]);
  if (!info[2].IsUndefined()) dtype = floating_dtype_argument(info[2]);
  return Environment::of(info.Env())
      .promise<ModuleConstruction>(
          info.Env(),
          [path, dtype, gpu] {
            const at::Device device = gpu ? cuda::open_gpu(*gpu) : at::Device(at::kCPU);
            return ModuleConstruction{std::make_shared<ScriptModule>(path, dtype, device)};
          },
          [](Napi::Env env, ModuleConstruction&& construction) -> Napi::Value {
            return Environment::of(env).script_module_class.New(
                {Napi::External<ModuleConstruction>::New(env, &construction)});
          });
}

ScriptModuleHandle::ScriptModuleHandle(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<ScriptModuleHandle>(info) {
  if (info.Length() != 1 || !info[0].IsExternal()) {
    throw Napi::TypeError::New(info.Env(), "Scripts are loaded by loadScriptModule, not by this constructor");
  }
  script_ = std::move(info[0].As<Napi::External<ModuleConstruction>>().Data()->script);
  bytes_ = script_->bytes();
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), bytes_);
  Napi::Object self = info.This().As<Napi::Object>();
  Napi::Array methods = Napi::Array::New(info.Env(), script_->methods().size());
  for (std::uint32_t i = 0; i < script_->methods().size(); ++i) {
    Napi::Object method = Napi::Object::New(info.Env());
    method.Set("name", script_->methods()[i].name);
    method.Set("signature", script_->methods()[i].signature);
    methods[i] = method;
  }
  self.Set("methods", methods);
  self.Set("dtype", dtype_name(script_->dtype()));
  self.Set("wasTraining", script_->was_training());
}

ScriptModuleHandle::~ScriptModuleHandle() {
  if (script_) release(Env());
}

void ScriptModuleHandle::release(Napi::Env env) {
  script_.reset();
  Napi::MemoryManagement::AdjustExternalMemory(env, -bytes_);
}

const std::shared_ptr<ScriptModule>& ScriptModuleHandle::script() const {
  if (!script_) throw CodedError("DISPOSED", "The script has been disposed");
  return script_;
}

Napi::Value ScriptModuleHandle::forward(const Napi::CallbackInfo& info) {
  return guard(info, [&]() -> Napi::Value {
    return Environment::of(info.Env())
        .promise<std::vector<ScriptOutput>>(
            info.Env(),
            [script = script(), input = TensorHandle::from(info[0], "input").slot()] {
              return script->forward_without_gradient(input->get());
            },
            [](Napi::Env env, std::vector<ScriptOutput>&& outputs) -> Napi::Value {
              Napi::Array result = Napi::Array::New(env, outputs.size());
              for (std::uint32_t i = 0; i < outputs.size(); ++i) {
                Napi::Object output = Napi::Object::New(env);
                output.Set("path", outputs[i].path);
                output.Set("tensor", TensorHandle::wrap(env, readable(outputs[i].value)));
                result[i] = output;
              }
              return result;
            });
  });
}

Napi::Value ScriptModuleHandle::classifier(const Napi::CallbackInfo& info) {
  return guard(info, [&]() -> Napi::Value {
    return Environment::of(info.Env())
        .promise<ClassifierConstruction>(
            info.Env(),
            [script = script(), plan = script_plan_argument(object_argument(info[0], "the classifier")),
             cancellation = CancellationHandle::from(info.Env(), info[1])] {
              cancellation->check();
              return ClassifierConstruction{
                  std::make_shared<const ScriptClassifier>(script, plan, *cancellation)};
            },
            [](Napi::Env env, ClassifierConstruction&& construction) -> Napi::Value {
              return Environment::of(env).script_classifier_class.New(
                  {Napi::External<ClassifierConstruction>::New(env, &construction)});
            });
  });
}

void ScriptModuleHandle::dispose(const Napi::CallbackInfo& info) {
  if (script_) release(info.Env());
}

void ScriptClassifierHandle::define(Napi::Env env) {
  const Napi::Function constructor =
      DefineClass(env, "NativeScriptClassifier",
                  {InstanceMethod("logits", &ScriptClassifierHandle::logits),
                   InstanceMethod("inputGradient", &ScriptClassifierHandle::input_gradient),
                   InstanceMethod("dispose", &ScriptClassifierHandle::dispose)});
  Environment::of(env).script_classifier_class = Napi::Persistent(constructor);
}

ScriptClassifierHandle::ScriptClassifierHandle(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<ScriptClassifierHandle>(info) {
  if (info.Length() != 1 || !info[0].IsExternal()) {
    throw Napi::TypeError::New(info.Env(), "Classifiers are made by classifier(), not by this constructor");
  }
  classifier_ = std::move(info[0].As<Napi::External<ClassifierConstruction>>().Data()->classifier);
  const ScriptFindings& findings = classifier_->findings();
  Napi::Object self = info.This().As<Napi::Object>();
  self.Set("classes", static_cast<double>(findings.classes));
  self.Set("output", findings.output);
  self.Set("microBatch", static_cast<double>(findings.micro_batch));
  self.Set("whySingle", findings.why_single);
  self.Set("repeatable", findings.repeatable);
  self.Set("changesItself", classifier_->script().changes_itself());
}

const std::shared_ptr<const ScriptClassifier>& ScriptClassifierHandle::classifier() const {
  if (!classifier_) throw CodedError("DISPOSED", "The classifier has been disposed");
  return classifier_;
}

Napi::Value ScriptClassifierHandle::logits(const Napi::CallbackInfo& info) {
  return guard(info, [&]() -> Napi::Value {
    return Environment::of(info.Env())
        .promise<at::Tensor>(
            info.Env(),
            [classifier = classifier(), images = TensorHandle::from(info[0], "images").slot(),
             cancellation = CancellationHandle::from(info.Env(), info[1])] {
              cancellation->check();
              return classifier->logits(images->get(), *cancellation);
            },
            [](Napi::Env env, at::Tensor&& logits) -> Napi::Value {
              return TensorHandle::wrap(env, std::move(logits));
            });
  });
}

Napi::Value ScriptClassifierHandle::input_gradient(const Napi::CallbackInfo& info) {
  return guard(info, [&]() -> Napi::Value {
    return Environment::of(info.Env())
        .promise<ScriptGradient>(
            info.Env(),
            [classifier = classifier(), images = TensorHandle::from(info[0], "images").slot(),
             labels = labels_argument(info[1]),
             cancellation = CancellationHandle::from(info.Env(), info[2])] {
              cancellation->check();
              return classifier->input_gradient(images->get(), labels, *cancellation);
            },
            [](Napi::Env env, ScriptGradient&& gradient) -> Napi::Value {
              Napi::Object result = Napi::Object::New(env);
              result.Set("gradient", TensorHandle::wrap(env, std::move(gradient.gradient)));
              result.Set("losses", TensorHandle::wrap(env, std::move(gradient.losses)));
              result.Set("logits", TensorHandle::wrap(env, std::move(gradient.logits)));
              return result;
            });
  });
}

void ScriptClassifierHandle::dispose(const Napi::CallbackInfo&) { classifier_.reset(); }

namespace {

/// What the task shares with its completion and only the JavaScript thread may free.
struct PinnedExport {
  ScriptExport network;
  std::vector<Napi::ObjectReference> pins;
};

LayerKeys keys_argument(const Napi::Object& object) {
  const auto key = [&](const char* name) {
    return object.Has(name) ? string_argument(object.Get(name), name) : std::string();
  };
  return {key("weight"), key("threshold"), key("leak"), key("shortcut")};
}

}  // namespace

Napi::Value export_torchscript(const Napi::CallbackInfo& info) {
  const Napi::Object object = object_argument(info[0], "the network");
  const auto pinned = std::make_shared<PinnedExport>();
  ScriptExport& network = pinned->network;
  network.plan = plan_argument(object, pinned->pins);
  const Napi::Array keys = array_argument(object.Get("keys"), "keys");
  for (std::uint32_t i = 0; i < keys.Length(); ++i)
    network.keys.push_back(keys_argument(object_argument(keys.Get(i), "keys")));
  if (network.keys.size() != network.plan.layers.size())
    throw CodedError("INVALID_ARGUMENT", "Expected the keys of each layer");
  network.with_normalisation = object.Get("withNormalisation").ToBoolean();
  network.with_spikes = object.Get("withSpikes").ToBoolean();
  network.metadata_name = string_argument(object.Get("metadataName"), "metadataName");
  network.metadata = string_argument(object.Get("metadata"), "metadata");
  const std::string path = string_argument(info[1], "path");
  // Of no consequence: promise() wants a value.
  return Environment::of(info.Env())
      .promise<bool>(
          info.Env(),
          [pinned, path] {
            export_script(pinned->network, path);
            return true;
          },
          [](Napi::Env env, bool&&) -> Napi::Value { return env.Undefined(); });
}

}  // namespace hire_snn
