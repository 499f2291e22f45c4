#pragma once

#include <vector>

#include "engine/network_plan.h"
#include "napi_setup.h"

namespace hire_snn {

/// Reads a NativeNetworkPlan of src/native/contract.ts. Its tensors alias JavaScript's memory, which `pins`
/// keeps alive; pins may be freed on the JavaScript thread alone.
NetworkPlan plan_argument(const Napi::Object& object, std::vector<Napi::ObjectReference>& pins);

/// The plan with copies of the weights in its dtype, so that a network owns them and JavaScript may collect
/// the arrays that they came in.
NetworkPlan with_own_weights(NetworkPlan plan);

}  // namespace hire_snn
