#include "tensor_handle.h"

#include <ATen/ops/empty.h>

#include <cstring>
#include <numeric>

#include "arguments.h"
#include "engine/error.h"
#include "environment.h"

namespace hire_snn {
namespace {

/// Carries what a handle stands for through the JavaScript constructor.
struct Construction {
  std::shared_ptr<TensorSlot> slot;
  std::vector<std::int64_t> shape;
  at::ScalarType dtype;
};

// JavaScript gets nothing but these handles on instances: a value that is not one of ours is told apart by
// its tag.
constexpr napi_type_tag kTensorTag{0x6869726573746e73, 0x7400000000000001};

std::int64_t count_elements(const std::vector<std::int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

}  // namespace

const char* dtype_name(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return "float32";
    case at::kDouble:
      return "float64";
    case at::kInt:
      return "int32";
    default:
      throw CodedError(
          "INVALID_ARGUMENT",
          std::string("Expected a tensor of float32, float64 or int32 but received ") + c10::toString(dtype));
  }
}

at::ScalarType dtype_from_name(const std::string& name) {
  for (const auto dtype : {at::kFloat, at::kDouble, at::kInt}) {
    if (name == dtype_name(dtype)) return dtype;
  }
  throw CodedError("INVALID_ARGUMENT", "Expected float32, float64 or int32 for dtype but received " + name);
}

Napi::Value to_typed_array(Napi::Env env, const at::Tensor& value) {
  const at::Tensor contiguous = value.contiguous();
  const auto count = static_cast<std::size_t>(contiguous.numel());
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, contiguous.nbytes());
  if (count > 0) std::memcpy(buffer.Data(), contiguous.const_data_ptr(), contiguous.nbytes());
  switch (contiguous.scalar_type()) {
    case at::kFloat:
      return Napi::Float32Array::New(env, count, buffer, 0);
    case at::kDouble:
      return Napi::Float64Array::New(env, count, buffer, 0);
    case at::kInt:
      return Napi::Int32Array::New(env, count, buffer, 0);
    default:
      throw CodedError("NATIVE_FAILURE", "A tensor of a dtype that has no typed array left the addon");
  }
}

void TensorHandle::define(Napi::Env env) {
  const Napi::Function constructor = DefineClass(
      env, "NativeTensor",
      {StaticMethod<&guarded<&TensorHandle::from_typed_array>>("from"),
       InstanceMethod("data", &TensorHandle::data), InstanceMethod("dispose", &TensorHandle::dispose)});
  Environment::of(env).tensor_class = Napi::Persistent(constructor);
}

TensorHandle::TensorHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TensorHandle>(info) {
  if (info.Length() != 1 || !info[0].IsExternal()) {
    throw Napi::TypeError::New(info.Env(),
                               "Tensors are made by Tensor.from and by operations, not by this constructor");
  }
  auto& construction = *info[0].As<Napi::External<Construction>>().Data();
  slot_ = std::move(construction.slot);
  shape_ = std::move(construction.shape);
  dtype_ = construction.dtype;
  Napi::Object self = info.This().As<Napi::Object>();
  self.TypeTag(&kTensorTag);
  Napi::Array shape = Napi::Array::New(info.Env(), shape_.size());
  for (std::size_t i = 0; i < shape_.size(); ++i) {
    shape[static_cast<std::uint32_t>(i)] = Napi::Number::New(info.Env(), static_cast<double>(shape_[i]));
  }
  self.Set("shape", shape);
  self.Set("dtype", dtype_name(dtype_));
  // Node's collector sees only the small handle; told of the memory behind it, it collects forgotten ones in
  // time.
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), bytes());
}

TensorHandle::~TensorHandle() {
  if (slot_) release(Env());
}

std::int64_t TensorHandle::bytes() const {
  return count_elements(shape_) * static_cast<std::int64_t>(c10::elementSize(dtype_));
}

void TensorHandle::release(Napi::Env env) {
  slot_.reset();
  Napi::MemoryManagement::AdjustExternalMemory(env, -bytes());
}

Napi::Object TensorHandle::wrap(Napi::Env env, std::shared_ptr<TensorSlot> slot,
                                std::vector<std::int64_t> shape, at::ScalarType dtype) {
  Construction construction{std::move(slot), std::move(shape), dtype};
  return Environment::of(env).tensor_class.New({Napi::External<Construction>::New(env, &construction)});
}

Napi::Object TensorHandle::wrap(Napi::Env env, at::Tensor value) {
  auto shape = value.sizes().vec();
  const auto dtype = value.scalar_type();
  auto slot = std::make_shared<TensorSlot>();
  slot->set(std::move(value));
  return wrap(env, std::move(slot), std::move(shape), dtype);
}

TensorHandle& TensorHandle::from(const Napi::Value& value, const char* name) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTensorTag)) {
    throw CodedError("INVALID_ARGUMENT", std::string("Expected a tensor for ") + name);
  }
  TensorHandle& handle = *Unwrap(value.As<Napi::Object>());
  if (!handle.slot_)
    throw CodedError("DISPOSED", std::string("The tensor given for ") + name + " has been disposed");
  return handle;
}

Napi::Value TensorHandle::from_typed_array(const Napi::CallbackInfo& info) {
  const Napi::TypedArray array = typed_array_argument(info[0], "data");
  std::vector<std::int64_t> shape = shape_argument(info[1], "shape");
  const auto dtype = typed_array_dtype(array);
  if (count_elements(shape) != static_cast<std::int64_t>(array.ElementLength())) {
    throw CodedError("INVALID_ARGUMENT", "Expected " + std::to_string(count_elements(shape)) +
                                             " numbers for the shape but received " +
                                             std::to_string(array.ElementLength()));
  }
  at::Tensor value = at::empty(shape, dtype);
  if (array.ByteLength() > 0)
    std::memcpy(value.mutable_data_ptr(), typed_array_data(array), array.ByteLength());
  return wrap(info.Env(), std::move(value));
}

Napi::Value TensorHandle::data(const Napi::CallbackInfo& info) {
  return guard(info, [&]() -> Napi::Value {
    const TensorHandle& self = from(info.This(), "data()");
    return Environment::of(info.Env())
        .promise<at::Tensor>(
            info.Env(), [slot = self.slot_] { return slot->get().contiguous(); },
            [](Napi::Env env, at::Tensor&& value) { return to_typed_array(env, value); });
  });
}

void TensorHandle::dispose(const Napi::CallbackInfo& info) {
  if (slot_) release(info.Env());
}

}  // namespace hire_snn
