#pragma once

#include <memory>

#include "engine/spiking_network.h"
#include "napi_setup.h"

namespace hire_snn {

/// The JavaScript object that stands for a spiking network. Contract: src/native/contract.ts.
class NetworkHandle : public Napi::ObjectWrap<NetworkHandle> {
 public:
  static void define(Napi::Env env);

  /// load(plan): the promise of a network. The weights' memory must not change until it settles.
  static Napi::Value load(const Napi::CallbackInfo& info);

  explicit NetworkHandle(const Napi::CallbackInfo& info);
  ~NetworkHandle() override;

 private:
  Napi::Value evaluate(const Napi::CallbackInfo& info);
  Napi::Value input_gradient(const Napi::CallbackInfo& info);
  Napi::Value trace(const Napi::CallbackInfo& info);
  Napi::Value trace_layer(const Napi::CallbackInfo& info);
  Napi::Value kernels(const Napi::CallbackInfo& info);
  Napi::Value profile(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  /// Throws CodedError DISPOSED.
  const std::shared_ptr<const SpikingNetwork>& network() const;
  void release(Napi::Env env);

  std::shared_ptr<const SpikingNetwork> network_;  // null once disposed; shared with the work in flight
  std::int64_t bytes_ = 0;
};

/// The JavaScript object that asks running work to stop.
class CancellationHandle : public Napi::ObjectWrap<CancellationHandle> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit CancellationHandle(const Napi::CallbackInfo& info);

  /// The flag behind an argument; a fresh one, which only the end of the environment raises, if it is
  /// undefined.
  static std::shared_ptr<Cancellation> from(Napi::Env env, const Napi::Value& value);

 private:
  void request(const Napi::CallbackInfo& info);

  std::shared_ptr<Cancellation> cancellation_;
};

}  // namespace hire_snn
