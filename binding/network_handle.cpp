#include "network_handle.h"

#include <ATen/ops/from_blob.h>

#include "arguments.h"
#include "engine/cuda/cuda_network.h"
#include "engine/cuda/nvidia_device.h"
#include "engine/error.h"
#include "engine/multistep/multistep_network.h"
#include "engine/plain/plain_network.h"
#include "plan_argument.h"
#include "tensor_handle.h"

namespace hire_snn {
namespace {

constexpr napi_type_tag kCancellationTag{0x6869726573746e73, 0x7400000000000002};

struct Construction {
  std::shared_ptr<const SpikingNetwork> network;
  std::int64_t bytes;
};

/// Which engine runs a network.
struct EngineChoice {
  std::optional<bool> multistep;  ///< nothing: if it can
  MultistepOptions options;
  std::optional<int> gpu;  ///< as CUDA counts them; nothing: the CPU
  bool tf32 = false;
};

template <typename Value>
std::optional<Value> optional_choice(const Napi::Object& object, const char* name,
                                     std::initializer_list<std::pair<const char*, Value>> choices) {
  if (!object.Has(name)) return std::nullopt;
  const std::string found = string_argument(object.Get(name), name);
  for (const auto& [known, value] : choices) {
    if (found == known) return value;
  }
  throw CodedError("INVALID_ARGUMENT", "There is no choice " + found + " for " + name);
}

EngineChoice engine_argument(const Napi::Object& object) {
  EngineChoice choice;
  choice.multistep = optional_choice<bool>(object, "engine", {{"plain", false}, {"multistep", true}});
  choice.options.forward = optional_choice<ForwardKernel>(
      object, "forward", {{"levels", ForwardKernel::kLevels}, {"events", ForwardKernel::kEvents}});
  choice.options.backward = optional_choice<BackwardKernel>(object, "backward",
                                                            {{"digits", BackwardKernel::kDigits},
                                                             {"winograd", BackwardKernel::kWinograd},
                                                             {"products", BackwardKernel::kProducts}});
  if (object.Has("instructionSet")) {
    const std::string name = string_argument(object.Get("instructionSet"), "instructionSet");
    choice.options.instruction_set = instruction_set(name);
    if (!choice.options.instruction_set) {
      throw CodedError("INVALID_ARGUMENT",
                       "Expected baseline, avx2, avx512 or amx for the instruction set but received " + name);
    }
  }
  return choice;
}

std::unique_ptr<SpikingNetwork> make_gpu_network(NetworkPlan plan, const EngineChoice& choice) {
  if (choice.multistep) {
    throw CodedError("INVALID_ARGUMENT",
                     "Expected no engine of the CPU for the device cuda but received one");
  }
  if (const auto obstacle = cuda::cuda_obstacle(plan)) {
    throw CodedError("INVALID_ARGUMENT",
                     "The engine for GPUs cannot run this network: " + *obstacle + "; use the device cpu");
  }
  auto device = cuda::make_nvidia_device(*choice.gpu, {plan.surrogate, choice.tf32});
  return cuda::make_cuda_network(std::move(plan), std::move(device));
}

std::unique_ptr<SpikingNetwork> make_network(NetworkPlan plan, const EngineChoice& choice) {
  plan.check();
  if (choice.gpu) return make_gpu_network(std::move(plan), choice);
  const auto obstacle = multistep_obstacle(plan);
  if (choice.multistep == true && obstacle) {
    throw CodedError("INVALID_ARGUMENT", "The multi-step engine cannot run this network: " + *obstacle +
                                             "; the plain engine can");
  }
  if (choice.multistep.value_or(!obstacle)) return make_multistep_network(std::move(plan), choice.options);
  return make_plain_network(std::move(plan));
}

/// { samples, pass } of rate coding, or undefined.
Draws draws_argument(const Napi::Value& value) {
  Draws draws;
  if (value.IsUndefined()) return draws;
  const Napi::Object object = object_argument(value, "draws");
  if (object.Has("pass")) draws.pass = integer_argument(object.Get("pass"), "pass");
  if (!object.Has("samples")) return draws;
  const Napi::TypedArray samples = typed_array_argument(object.Get("samples"), "samples");
  draws.samples =
      at::from_blob(typed_array_data(samples), {static_cast<std::int64_t>(samples.ElementLength())},
                    at::TensorOptions(typed_array_dtype(samples)))
          .to(at::kLong, /*non_blocking=*/false, /*copy=*/true);
  return draws;
}

/// What a task shares with its completion and only the JavaScript thread may free.
struct Pinned {
  NetworkPlan plan;
  EngineChoice engine;
  std::vector<Napi::ObjectReference> pins;
  bool release_weights = false;
};

/// Frees the memory of typed arrays without waiting for the garbage collector; they are empty from then on.
void free_arrays(const std::vector<Napi::ObjectReference>& arrays) {
  for (const Napi::ObjectReference& array : arrays) {
    Napi::ArrayBuffer buffer = array.Value().As<Napi::TypedArray>().ArrayBuffer();
    if (!buffer.IsDetached()) buffer.Detach();
  }
}

}  // namespace

void NetworkHandle::define(Napi::Env env) {
  const Napi::Function constructor =
      DefineClass(env, "NativeSpikingNetwork",
                  {InstanceMethod("evaluate", &NetworkHandle::evaluate),
                   InstanceMethod("inputGradient", &NetworkHandle::input_gradient),
                   InstanceMethod("trace", &NetworkHandle::trace),
                   InstanceMethod("traceLayer", &NetworkHandle::trace_layer),
                   InstanceMethod("profile", &NetworkHandle::profile),
                   InstanceAccessor<&NetworkHandle::kernels>("kernels"),
                   InstanceMethod("dispose", &NetworkHandle::dispose)});
  Environment::of(env).network_class = Napi::Persistent(constructor);
}

Napi::Value NetworkHandle::load(const Napi::CallbackInfo& info) {
  const Napi::Object object = object_argument(info[0], "the network");
  const auto pinned = std::make_shared<Pinned>();
  pinned->plan = plan_argument(object, pinned->pins);
  pinned->engine = engine_argument(object_argument(object.Get("kernels"), "kernels"));
  pinned->engine.gpu = gpu_argument(object.Get("device"));
  pinned->engine.tf32 = object.Get("tf32").ToBoolean();
  pinned->release_weights = object.Get("releaseWeights").ToBoolean();
  return Environment::of(info.Env())
      .promise<Construction>(
          info.Env(),
          [pinned] {
            NetworkPlan plan = with_own_weights(pinned->plan);
            Construction result{nullptr, 0};
            result.network = make_network(std::move(plan), pinned->engine);
            result.bytes = result.network->weight_bytes();
            return result;
          },
          [pinned](Napi::Env env, Construction&& construction) -> Napi::Value {
            if (pinned->release_weights) free_arrays(pinned->pins);
            return Environment::of(env).network_class.New(
                {Napi::External<Construction>::New(env, &construction)});
          });
}

NetworkHandle::NetworkHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NetworkHandle>(info) {
  if (info.Length() != 1 || !info[0].IsExternal()) {
    throw Napi::TypeError::New(info.Env(),
                               "Networks are made by loadSpikingNetwork, not by this constructor");
  }
  auto& construction = *info[0].As<Napi::External<Construction>>().Data();
  network_ = std::move(construction.network);
  bytes_ = construction.bytes;
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), bytes_);
}

NetworkHandle::~NetworkHandle() {
  if (network_) release(Env());
}

void NetworkHandle::release(Napi::Env env) {
  network_.reset();
  Napi::MemoryManagement::AdjustExternalMemory(env, -bytes_);
}

const std::shared_ptr<const SpikingNetwork>& NetworkHandle::network() const {
  if (!network_) throw CodedError("DISPOSED", "The classifier has been disposed");
  return network_;
}

Napi::Value NetworkHandle::evaluate(const Napi::CallbackInfo& info) {
  return guard(info, [&]() -> Napi::Value {
    return Environment::of(info.Env())
        .promise<Evaluation>(
            info.Env(),
            [network = network(), images = TensorHandle::from(info[0], "images").slot(),
             draws = draws_argument(info[2]), cancellation = CancellationHandle::from(info.Env(), info[1])] {
              cancellation->check();
              return network->evaluate(images->get(), *cancellation, draws);
            },
            [](Napi::Env env, Evaluation&& evaluation) -> Napi::Value {
              Napi::Object result = Napi::Object::New(env);
              result.Set("logits", TensorHandle::wrap(env, std::move(evaluation.logits)));
              result.Set("counts", to_typed_array(env, evaluation.counts));
              result.Set("reached", to_typed_array(env, evaluation.reached.to(at::kDouble)));
              return result;
            });
  });
}

Napi::Value NetworkHandle::input_gradient(const Napi::CallbackInfo& info) {
  return guard(info, [&]() -> Napi::Value {
    const at::Tensor labels = labels_argument(info[1]);
    return Environment::of(info.Env())
        .promise<LossGradient>(
            info.Env(),
            [network = network(), images = TensorHandle::from(info[0], "images").slot(), labels,
             draws = draws_argument(info[3]), cancellation = CancellationHandle::from(info.Env(), info[2])] {
              cancellation->check();
              return network->input_gradient(images->get(), labels, *cancellation, draws);
            },
            [](Napi::Env env, LossGradient&& gradient) -> Napi::Value {
              Napi::Object result = Napi::Object::New(env);
              result.Set("gradient", TensorHandle::wrap(env, std::move(gradient.gradient)));
              result.Set("losses", TensorHandle::wrap(env, std::move(gradient.losses)));
              result.Set("logits", TensorHandle::wrap(env, std::move(gradient.logits)));
              result.Set("counts", to_typed_array(env, gradient.counts));
              result.Set("reached", to_typed_array(env, gradient.reached.to(at::kDouble)));
              return result;
            });
  });
}

namespace {

Napi::Object trace_object(Napi::Env env, LayerTrace&& trace) {
  Napi::Object result = Napi::Object::New(env);
  if (trace.current.defined()) result.Set("current", TensorHandle::wrap(env, std::move(trace.current)));
  if (trace.membrane.defined()) result.Set("membrane", TensorHandle::wrap(env, std::move(trace.membrane)));
  result.Set("output", TensorHandle::wrap(env, std::move(trace.output)));
  return result;
}

}  // namespace

Napi::Value NetworkHandle::trace(const Napi::CallbackInfo& info) {
  return guard(info, [&]() -> Napi::Value {
    return Environment::of(info.Env())
        .promise<std::vector<LayerTrace>>(
            info.Env(),
            [network = network(), images = TensorHandle::from(info[0], "images").slot(),
             draws = draws_argument(info[2]), cancellation = CancellationHandle::from(info.Env(), info[1])] {
              cancellation->check();
              return network->trace(images->get(), *cancellation, draws);
            },
            [](Napi::Env env, std::vector<LayerTrace>&& traces) -> Napi::Value {
              Napi::Array result = Napi::Array::New(env, traces.size());
              for (std::uint32_t i = 0; i < traces.size(); ++i)
                result[i] = trace_object(env, std::move(traces[i]));
              return result;
            });
  });
}

Napi::Value NetworkHandle::trace_layer(const Napi::CallbackInfo& info) {
  return guard(info, [&]() -> Napi::Value {
    const std::int64_t layer = integer_argument(info[0], "layer");
    if (layer < 0) throw CodedError("INVALID_ARGUMENT", "Expected a layer of at least 0");
    return Environment::of(info.Env())
        .promise<LayerTrace>(
            info.Env(),
            [network = network(), layer, input = TensorHandle::from(info[1], "input").slot(),
             shortcut = info[2].IsUndefined() ? nullptr : TensorHandle::from(info[2], "shortcut").slot(),
             cancellation = CancellationHandle::from(info.Env(), info[3])] {
              cancellation->check();
              return network->trace_layer(static_cast<std::size_t>(layer), input->get(),
                                          shortcut ? shortcut->get() : at::Tensor(), *cancellation);
            },
            [](Napi::Env env, LayerTrace&& trace) -> Napi::Value {
              return trace_object(env, std::move(trace));
            });
  });
}

Napi::Value NetworkHandle::kernels(const Napi::CallbackInfo& info) {
  return guard(info, [&]() -> Napi::Value { return Napi::String::New(info.Env(), network()->kernels()); });
}

Napi::Value NetworkHandle::profile(const Napi::CallbackInfo& info) {
  return guard(info, [&]() -> Napi::Value {
    // A promise, because it waits for a pass in flight.
    return Environment::of(info.Env())
        .promise<std::vector<LayerProfile>>(
            info.Env(), [network = network()] { return network->profile(); },
            [](Napi::Env env, std::vector<LayerProfile>&& layers) -> Napi::Value {
              Napi::Array result = Napi::Array::New(env, layers.size());
              for (std::uint32_t i = 0; i < layers.size(); ++i) {
                Napi::Object layer = Napi::Object::New(env);
                layer.Set("name", layers[i].name);
                layer.Set("forward", layers[i].forward);
                layer.Set("backward", layers[i].backward);
                layer.Set("density", layers[i].density);
                layer.Set("forwardSeconds", layers[i].forward_seconds);
                layer.Set("backwardSeconds", layers[i].backward_seconds);
                result[i] = layer;
              }
              return result;
            });
  });
}

void NetworkHandle::dispose(const Napi::CallbackInfo& info) {
  if (network_) release(info.Env());
}

Napi::Function CancellationHandle::define(Napi::Env env) {
  return DefineClass(env, "NativeCancellation", {InstanceMethod("request", &CancellationHandle::request)});
}

CancellationHandle::CancellationHandle(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<CancellationHandle>(info), cancellation_(Environment::of(info.Env()).cancellation()) {
  info.This().As<Napi::Object>().TypeTag(&kCancellationTag);
}

void CancellationHandle::request(const Napi::CallbackInfo&) { cancellation_->request(); }

std::shared_ptr<Cancellation> CancellationHandle::from(Napi::Env env, const Napi::Value& value) {
  if (value.IsUndefined()) return Environment::of(env).cancellation();
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kCancellationTag)) {
    throw CodedError("INVALID_ARGUMENT", "Expected a cancellation");
  }
  return Unwrap(value.As<Napi::Object>())->cancellation_;
}

}  // namespace hire_snn
