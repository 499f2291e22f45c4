#include "arguments.h"

#include <ATen/ops/from_blob.h>

#include <cmath>
#include <limits>

#include "engine/error.h"

namespace hire_snn {
namespace {

[[noreturn]] void reject(const char* what, const char* name) {
  throw CodedError("INVALID_ARGUMENT", std::string("Expected ") + what + " for " + name);
}

}  // namespace

Napi::TypedArray typed_array_argument(const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray()) reject("a typed array", name);
  return value.As<Napi::TypedArray>();
}

at::ScalarType typed_array_dtype(const Napi::TypedArray& array) {
  switch (array.TypedArrayType()) {
    case napi_float32_array:
      return at::kFloat;
    case napi_float64_array:
      return at::kDouble;
    case napi_int32_array:
      return at::kInt;
    default:
      throw CodedError("INVALID_ARGUMENT", "Expected a Float32Array, Float64Array or Int32Array");
  }
}

void* typed_array_data(const Napi::TypedArray& array) {
  return static_cast<std::uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset();
}

std::vector<std::int64_t> shape_argument(const Napi::Value& value, const char* name) {
  const Napi::Array array = array_argument(value, name);
  std::vector<std::int64_t> shape;
  std::int64_t elements = 1;
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    const std::int64_t size = integer_argument(array.Get(i), name);
    if (size < 0) reject("sizes of at least 0", name);
    if (size > 0 && elements > (std::int64_t{1} << 48) / size) reject("fewer than 2^48 elements", name);
    elements *= size;
    shape.push_back(size);
  }
  return shape;
}

std::int64_t integer_argument(const Napi::Value& value, const char* name) {
  const double number = number_argument(value, name);
  if (std::trunc(number) != number || std::abs(number) > 9007199254740991.0) reject("an integer", name);
  return static_cast<std::int64_t>(number);
}

double number_argument(const Napi::Value& value, const char* name) {
  if (!value.IsNumber()) reject("a number", name);
  return value.As<Napi::Number>().DoubleValue();
}

std::string string_argument(const Napi::Value& value, const char* name) {
  if (!value.IsString()) reject("a string", name);
  return value.As<Napi::String>().Utf8Value();
}

Napi::Object object_argument(const Napi::Value& value, const char* name) {
  if (!value.IsObject()) reject("an object", name);
  return value.As<Napi::Object>();
}

Napi::Array array_argument(const Napi::Value& value, const char* name) {
  if (!value.IsArray()) reject("an array", name);
  return value.As<Napi::Array>();
}

std::vector<double> numbers_argument(const Napi::Value& value, const char* name) {
  const Napi::Array array = array_argument(value, name);
  std::vector<double> numbers;
  for (std::uint32_t i = 0; i < array.Length(); ++i) numbers.push_back(number_argument(array.Get(i), name));
  return numbers;
}

std::array<std::int64_t, 3> image_shape_argument(const Napi::Value& value, const char* name) {
  const auto sizes = shape_argument(value, name);
  if (sizes.size() != 3) reject("[C, H, W]", name);
  return {sizes[0], sizes[1], sizes[2]};
}

std::optional<int> gpu_argument(const Napi::Value& value) {
  const std::string device = string_argument(value, "device");
  if (device == "cpu") return std::nullopt;
  if (device == "cuda") return 0;
  const std::string prefix = "cuda:";
  const bool numbered = device.size() > prefix.size() && device.size() <= prefix.size() + 4 &&
                        device.compare(0, prefix.size(), prefix) == 0 &&
                        device.find_first_not_of("0123456789", prefix.size()) == std::string::npos;
  if (!numbered) {
    throw CodedError("INVALID_ARGUMENT",
                     "Expected cpu, cuda or cuda:N for the device but received " + device);
  }
  return std::stoi(device.substr(prefix.size()));
}

at::Tensor labels_argument(const Napi::Value& value) {
  const Napi::TypedArray array = typed_array_argument(value, "labels");
  if (typed_array_dtype(array) != at::kInt) reject("an Int32Array", "labels");
  return at::from_blob(typed_array_data(array), {static_cast<std::int64_t>(array.ElementLength())}, at::kInt)
      .to(at::kLong);
}

}  // namespace hire_snn
