#pragma once

#include <ATen/core/Tensor.h>

#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "napi_setup.h"

namespace hire_snn {

/// Note [Queued tensors]. An operation on tensors returns at once, with a handle whose shape and dtype are
/// known and whose value is made later, on the compute thread. Since that thread works in the order of
/// submission, every value that a task reads has been made by then. A value is touched by the compute thread
/// alone; an operation that failed leaves its exception in the slot instead, and it comes out where the value
/// is read.
class TensorSlot {
 public:
  void set(at::Tensor value) { value_ = std::move(value); }
  void fail(std::exception_ptr failure) { failure_ = std::move(failure); }
  const at::Tensor& get() const {
    if (failure_) std::rethrow_exception(failure_);
    return value_;
  }

 private:
  at::Tensor value_;
  std::exception_ptr failure_;
};

/// The JavaScript object that stands for a tensor. Contract: src/native/contract.ts.
class TensorHandle : public Napi::ObjectWrap<TensorHandle> {
 public:
  static void define(Napi::Env env);

  /// A handle on a value that exists, or will by the time that tasks queued from now on run.
  static Napi::Object wrap(Napi::Env env, std::shared_ptr<TensorSlot> slot, std::vector<std::int64_t> shape,
                           at::ScalarType dtype);
  static Napi::Object wrap(Napi::Env env, at::Tensor value);

  /// The handle behind an argument. Throws CodedError DISPOSED or INVALID_ARGUMENT.
  static TensorHandle& from(const Napi::Value& value, const char* name);

  explicit TensorHandle(const Napi::CallbackInfo& info);
  ~TensorHandle() override;

  const std::shared_ptr<TensorSlot>& slot() const { return slot_; }
  const std::vector<std::int64_t>& shape() const { return shape_; }
  at::ScalarType dtype() const { return dtype_; }

 private:
  static Napi::Value from_typed_array(const Napi::CallbackInfo& info);
  Napi::Value data(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);
  void release(Napi::Env env);
  std::int64_t bytes() const;

  std::shared_ptr<TensorSlot> slot_;  // null once disposed
  std::vector<std::int64_t> shape_;
  at::ScalarType dtype_ = at::kFloat;
};

/// "float32", "float64" or "int32"; throws for others.
const char* dtype_name(at::ScalarType dtype);
at::ScalarType dtype_from_name(const std::string& name);

/// Copies a tensor of one of these dtypes into a new typed array.
Napi::Value to_typed_array(Napi::Env env, const at::Tensor& value);

}  // namespace hire_snn
