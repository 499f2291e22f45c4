#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "environment.h"
#include "napi_setup.h"

namespace hire_snn {

// Reading JavaScript values on the JavaScript thread, before any work is queued. The TypeScript side has
// checked what a user can get wrong, in the user's words; these checks are what keeps a mistake in between
// from reading wild memory.

Napi::TypedArray typed_array_argument(const Napi::Value& value, const char* name);
at::ScalarType typed_array_dtype(const Napi::TypedArray& array);
void* typed_array_data(const Napi::TypedArray& array);
/// Non-negative sizes whose product fits in memory.
std::vector<std::int64_t> shape_argument(const Napi::Value& value, const char* name);
std::int64_t integer_argument(const Napi::Value& value, const char* name);
double number_argument(const Napi::Value& value, const char* name);
std::string string_argument(const Napi::Value& value, const char* name);
Napi::Object object_argument(const Napi::Value& value, const char* name);
Napi::Array array_argument(const Napi::Value& value, const char* name);
std::vector<double> numbers_argument(const Napi::Value& value, const char* name);
/// [C, H, W]
std::array<std::int64_t, 3> image_shape_argument(const Napi::Value& value, const char* name);
/// "cpu" (nothing), "cuda" (the first GPU) or "cuda:N".
std::optional<int> gpu_argument(const Napi::Value& value);
/// An Int32Array, copied as int64 [N].
at::Tensor labels_argument(const Napi::Value& value);

/// Runs a callback's body; whatever it throws becomes a JavaScript error of the package's class.
template <typename Body>
Napi::Value guard(const Napi::CallbackInfo& info, const Body& body) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    const Napi::Env env = info.Env();
    throw Napi::Error(env, Environment::of(env).error(env, describe_failure(std::current_exception())));
  }
}

template <Napi::Value (*callback)(const Napi::CallbackInfo&)>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  return guard(info, [&] { return callback(info); });
}

}  // namespace hire_snn
