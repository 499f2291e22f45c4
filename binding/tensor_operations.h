#pragma once

#include "napi_setup.h"

namespace hire_snn {

/// operate(name, tensor, ...operands): queues an operation and returns the tensor that it will give. See
/// src/native/contract.ts for the operations.
Napi::Value operate(const Napi::CallbackInfo& info);

}  // namespace hire_snn
