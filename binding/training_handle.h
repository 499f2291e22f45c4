#pragma once

#include <memory>

#include "engine/training/trainer.h"
#include "napi_setup.h"

namespace hire_snn {

/// The JavaScript object that stands for a network in training. Contract: src/native/contract.ts.
class TrainingHandle : public Napi::ObjectWrap<TrainingHandle> {
 public:
  static void define(Napi::Env env);

  /// load(plan): the promise of a network to train. The weights' memory must not change until it settles.
  static Napi::Value load(const Napi::CallbackInfo& info);

  explicit TrainingHandle(const Napi::CallbackInfo& info);
  ~TrainingHandle() override;

 private:
  Napi::Value step(const Napi::CallbackInfo& info);
  Napi::Value pass(const Napi::CallbackInfo& info);
  Napi::Value update(const Napi::CallbackInfo& info);
  Napi::Value evaluate(const Napi::CallbackInfo& info);
  Napi::Value calibrate(const Napi::CallbackInfo& info);
  Napi::Value state(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value write(const Napi::CallbackInfo& info);
  Napi::Value kernels(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  /// Throws CodedError DISPOSED.
  const std::shared_ptr<Trainer>& trainer() const;
  void release(Napi::Env env);

  std::shared_ptr<Trainer> trainer_;  // null once disposed; touched by the compute thread alone
  std::int64_t bytes_ = 0;
};

}  // namespace hire_snn
