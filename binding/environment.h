#pragma once

#include <functional>
#include <memory>

#include "compute_thread.h"
#include "engine/cancellation.h"
#include "failure.h"
#include "napi_setup.h"

namespace hire_snn {

/// What the addon keeps for one JavaScript environment (the main thread or a worker): there are no globals,
/// so that environments come and go without knowing of each other.
class Environment {
 public:
  /// Runs on the JavaScript thread when the work that it belongs to is done.
  using Completion = std::function<void(Napi::Env)>;

  explicit Environment(Napi::Env env);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  static Environment& of(Napi::Env env);

  /// Queues `work` and returns the promise of what `resolve` makes of its result on the JavaScript thread; an
  /// exception in either rejects it. The process stays alive until then.
  template <typename Result>
  Napi::Promise promise(Napi::Env env, std::function<Result()> work,
                        std::function<Napi::Value(Napi::Env, Result&&)> resolve);

  /// Queues work that nobody waits for; it must not throw.
  void enqueue(ComputeThread::Task task) { compute_.submit(std::move(task)); }

  /// A flag that is also raised when the environment ends.
  std::shared_ptr<Cancellation> cancellation() { return std::make_shared<Cancellation>(compute_.stopping()); }

  /// An error of the package's own class, which JavaScript handed in: a native Error is of the wrong realm
  /// under jest.
  Napi::Value error(Napi::Env env, const Failure& failure) const;
  void set_error_factory(Napi::Function factory) { error_factory_ = Napi::Persistent(factory); }

  Napi::FunctionReference tensor_class;
  Napi::FunctionReference network_class;
  Napi::FunctionReference training_class;
  Napi::FunctionReference script_module_class;
  Napi::FunctionReference script_classifier_class;

 private:
  /// Hands a completion to the JavaScript thread. Called on the compute thread.
  void complete(Completion completion);
  static void call_completion(napi_env env, napi_value, void*, void* data);

  napi_threadsafe_function to_javascript_ = nullptr;
  Napi::FunctionReference error_factory_;
  std::size_t pending_ = 0;  // promises that keep the process alive; JavaScript thread only
  ComputeThread compute_;
};

template <typename Result>
Napi::Promise Environment::promise(Napi::Env env, std::function<Result()> work,
                                   std::function<Napi::Value(Napi::Env, Result&&)> resolve) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  if (pending_++ == 0) napi_ref_threadsafe_function(env, to_javascript_);
  enqueue([this, deferred, work = std::move(work), resolve = std::move(resolve)]() mutable {
    std::shared_ptr<Result> result;
    std::shared_ptr<Failure> failure;
    try {
      result = std::make_shared<Result>(work());
    } catch (...) {
      failure = std::make_shared<Failure>(describe_failure(std::current_exception()));
    }
    // `work` goes along because it may hold what only the JavaScript thread may free.
    complete([this, deferred, result, failure, work = std::move(work),
              resolve = std::move(resolve)](Napi::Env env) {
      if (--pending_ == 0) napi_unref_threadsafe_function(env, to_javascript_);
      if (failure) {
        deferred.Reject(error(env, *failure));
        return;
      }
      try {
        deferred.Resolve(resolve(env, std::move(*result)));
      } catch (const Napi::Error& thrown) {
        deferred.Reject(thrown.Value());
      } catch (...) {
        deferred.Reject(error(env, describe_failure(std::current_exception())));
      }
    });
  });
  return deferred.Promise();
}

}  // namespace hire_snn
