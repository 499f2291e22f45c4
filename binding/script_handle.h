#pragma once

#include <memory>

#include "engine/torchscript/script_classifier.h"
#include "napi_setup.h"

namespace hire_snn {

/// The JavaScript object that stands for a loaded TorchScript program. Contract: src/native/contract.ts.
class ScriptModuleHandle : public Napi::ObjectWrap<ScriptModuleHandle> {
 public:
  static void define(Napi::Env env);

  /// load(path, dtype?): the promise of a program. Runs what the file's code does on loading.
  static Napi::Value load(const Napi::CallbackInfo& info);

  explicit ScriptModuleHandle(const Napi::CallbackInfo& info);
  ~ScriptModuleHandle() override;

 private:
  Napi::Value forward(const Napi::CallbackInfo& info);
  Napi::Value classifier(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  /// Throws CodedError DISPOSED.
  const std::shared_ptr<ScriptModule>& script() const;
  void release(Napi::Env env);

  std::shared_ptr<ScriptModule> script_;  // null once disposed; shared with the work in flight
  std::int64_t bytes_ = 0;
};

/// The JavaScript object that stands for a program used as a classifier.
class ScriptClassifierHandle : public Napi::ObjectWrap<ScriptClassifierHandle> {
 public:
  static void define(Napi::Env env);
  explicit ScriptClassifierHandle(const Napi::CallbackInfo& info);

 private:
  Napi::Value logits(const Napi::CallbackInfo& info);
  Napi::Value input_gradient(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  /// Throws CodedError DISPOSED.
  const std::shared_ptr<const ScriptClassifier>& classifier() const;

  std::shared_ptr<const ScriptClassifier> classifier_;  // null once disposed
};

/// exportTorchScript(network, path): writes a spiking network as a TorchScript archive. The weights' memory
/// must not change until the promise settles.
Napi::Value export_torchscript(const Napi::CallbackInfo& info);

}  // namespace hire_snn
