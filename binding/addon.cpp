#include <ATen/Parallel.h>
#include <ATen/Version.h>

#include "arguments.h"
#include "engine/error.h"
#include "environment.h"
#include "libtorch_identity.h"
#include "network_handle.h"
#include "script_handle.h"
#include "tensor_handle.h"
#include "tensor_operations.h"
#include "training_handle.h"

namespace hire_snn {
namespace {

/// initialise(errorFactory): where errors of the package's class come from.
Napi::Value initialise(const Napi::CallbackInfo& info) {
  if (!info[0].IsFunction())
    throw CodedError("INVALID_ARGUMENT", "Expected a function for the error factory");
  Environment::of(info.Env()).set_error_factory(info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

/// setThreads(count): how many threads libtorch computes with. Under OpenMP the number belongs to the calling
/// thread, so it is set on the compute thread.
Napi::Value set_threads(const Napi::CallbackInfo& info) {
  const std::int64_t count = integer_argument(info[0], "threads");
  if (count < 1 || count > 1024) throw CodedError("INVALID_ARGUMENT", "Expected 1 to 1024 threads");
  Environment::of(info.Env()).enqueue([count] { at::set_num_threads(static_cast<int>(count)); });
  return info.Env().Undefined();
}

/// stopAll(): ends all computing in this process, in workers too. See Note [Teardown].
Napi::Value stop_all(const Napi::CallbackInfo& info) {
  ComputeThread::stop_all();
  return info.Env().Undefined();
}

/// externalMemory(): the bytes that Node has been told of, this addon's and others'.
Napi::Value external_memory(const Napi::CallbackInfo& info) {
  const std::int64_t bytes = Napi::MemoryManagement::AdjustExternalMemory(info.Env(), 0);
  return Napi::Number::New(info.Env(), static_cast<double>(bytes));
}

Napi::Object initialise_module(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData<Environment>(new Environment(env));
  TensorHandle::define(env);
  NetworkHandle::define(env);
  TrainingHandle::define(env);
  ScriptModuleHandle::define(env);
  ScriptClassifierHandle::define(env);

  exports.Set("Cancellation", CancellationHandle::define(env));
  exports.Set("initialise", Napi::Function::New<&guarded<&initialise>>(env, "initialise"));
  exports.Set("setThreads", Napi::Function::New<&guarded<&set_threads>>(env, "setThreads"));
  exports.Set("stopAll", Napi::Function::New<&guarded<&stop_all>>(env, "stopAll"));
  exports.Set("externalMemory", Napi::Function::New<&guarded<&external_memory>>(env, "externalMemory"));
  exports.Set("operate", Napi::Function::New<&guarded<&operate>>(env, "operate"));
  exports.Set("tensorFrom", Environment::of(env).tensor_class.Value().Get("from"));
  exports.Set("loadSpikingNetwork",
              Napi::Function::New<&guarded<&NetworkHandle::load>>(env, "loadSpikingNetwork"));
  exports.Set("loadTraining", Napi::Function::New<&guarded<&TrainingHandle::load>>(env, "loadTraining"));
  exports.Set("loadScriptModule",
              Napi::Function::New<&guarded<&ScriptModuleHandle::load>>(env, "loadScriptModule"));
  exports.Set("exportTorchScript",
              Napi::Function::New<&guarded<&export_torchscript>>(env, "exportTorchScript"));

  try {
    const LibtorchIdentity libtorch = identify_libtorch();
    exports.Set("libtorchVersion", libtorch.version);
    exports.Set("libtorchRoot", libtorch.root);
  } catch (const CodedError& error) {
    throw Napi::Error::New(env, error.what());
  }
  exports.Set("instructionSet", at::get_cpu_capability());
  return exports;
}

}  // namespace
}  // namespace hire_snn

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  return hire_snn::initialise_module(env, exports);
}

NODE_API_MODULE(hire_snn, Init)
