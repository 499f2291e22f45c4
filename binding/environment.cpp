#include "environment.h"

namespace hire_snn {

// Note [Teardown]. A worker can be terminated and the process can exit while work is in flight.
//
// When an environment ends, Node runs cleanup hooks in the reverse order of their registration. Ours is
// registered after the thread-safe function exists, so it runs while that function is still open: it stops
// the compute thread, which takes at most as long as one layer. From then on nobody calls into Node.
// Completions that were queued but not delivered are handed back by Node with a null environment; they may
// hold references whose deletion would call into the dead environment, so they are left to the process's end.
// The Environment object itself is deleted later, as instance data, when all of that is past.
//
// worker.terminate() can also come between two calls into Node of one completion: the second then fails, with
// a Napi::Error and no JavaScript left to hear of it. Out of a callback of Node's it would end the process.
//
// process.exit() and uncaught exceptions on the main thread run no cleanup hooks: they go straight to exit(),
// whose static destructors take oneDNN's tables away under the feet of a compute thread, the main thread's or
// a worker's. So the JavaScript side calls stopAll() from the process's "exit" event.
Environment::Environment(Napi::Env env) {
  const napi_status status = napi_create_threadsafe_function(
      env, nullptr, nullptr, Napi::String::New(env, "hire-snn completion"), 0, 1, nullptr, nullptr, this,
      &Environment::call_completion, &to_javascript_);
  NAPI_THROW_IF_FAILED_VOID(env, status);
  napi_unref_threadsafe_function(env, to_javascript_);
  napi_add_env_cleanup_hook(env, [](void* self) { static_cast<Environment*>(self)->compute_.stop(); }, this);
}

Environment::~Environment() {
  tensor_class.SuppressDestruct();
  network_class.SuppressDestruct();
  training_class.SuppressDestruct();
  script_module_class.SuppressDestruct();
  script_classifier_class.SuppressDestruct();
  error_factory_.SuppressDestruct();
}

Environment& Environment::of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

Napi::Value Environment::error(Napi::Env env, const Failure& failure) const {
  if (error_factory_.IsEmpty()) return Napi::Error::New(env, failure.code + ": " + failure.message).Value();
  return error_factory_.Call({Napi::String::New(env, failure.code), Napi::String::New(env, failure.message)});
}

void Environment::complete(Completion completion) {
  auto* data = new Completion(std::move(completion));
  // The queue has no bound, so this fails only once the environment is closing, when nobody listens any more.
  napi_call_threadsafe_function(to_javascript_, data, napi_tsfn_nonblocking);
}

void Environment::call_completion(napi_env raw_env, napi_value, void*, void* data) {
  if (raw_env == nullptr) return;  // Note [Teardown]
  const Napi::Env env(raw_env);
  const Napi::HandleScope scope(env);
  const std::unique_ptr<Completion> completion(static_cast<Completion*>(data));
  try {
    (*completion)(env);
  } catch (const Napi::Error&) {
    // Note [Teardown]. Of a living environment there is none: a promise can be rejected with anything.
  }
}

}  // namespace hire_snn
