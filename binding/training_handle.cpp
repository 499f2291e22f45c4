#include "training_handle.h"

#include "arguments.h"
#include "engine/error.h"
#include "network_handle.h"
#include "plan_argument.h"
#include "tensor_handle.h"

namespace hire_snn {
namespace {

struct Construction {
  std::shared_ptr<Trainer> trainer;
  std::int64_t bytes;
};

/// What a task shares with its completion and only the JavaScript thread may free.
struct Pinned {
  TrainingPlan plan;
  TrainerOptions options;
  bool initialise;
  std::vector<Napi::ObjectReference> pins;
};

bool flag(const Napi::Object& object, const char* name) { return object.Get(name).ToBoolean(); }

double number(const Napi::Object& object, const char* name) {
  return number_argument(object.Get(name), name);
}

OptimizerOptions optimizer_argument(const Napi::Object& object) {
  const std::string kind = string_argument(object.Get("kind"), "optimizer.kind");
  if (kind != "sgd" && kind != "adam") {
    throw CodedError("INVALID_ARGUMENT", "Expected sgd or adam for the optimizer but received " + kind);
  }
  OptimizerOptions options;
  options.kind = kind == "sgd" ? OptimizerOptions::Kind::kSgd : OptimizerOptions::Kind::kAdam;
  options.momentum = number(object, "momentum");
  options.weight_decay = number(object, "weightDecay");
  options.beta1 = number(object, "beta1");
  options.beta2 = number(object, "beta2");
  options.epsilon = number(object, "epsilon");
  options.amsgrad = flag(object, "amsgrad");
  options.train_thresholds = flag(object, "trainThresholds");
  options.train_leaks = flag(object, "trainLeaks");
  return options;
}

NoiseOptions noise_argument(const Napi::Object& object) {
  NoiseOptions options;
  options.periods = integer_argument(object.Get("periods"), "noise.periods");
  options.step = number(object, "step");
  options.bound = number(object, "bound");
  options.recompute = flag(object, "recompute");
  options.keep = flag(object, "keep");
  return options;
}

std::uint64_t seed_argument(const Napi::Value& value) {
  const auto words = numbers_argument(value, "seed");
  if (words.size() != 2) throw CodedError("INVALID_ARGUMENT", "Expected two words for seed");
  return static_cast<std::uint64_t>(words[0]) | static_cast<std::uint64_t>(words[1]) << 32;
}

/// An Int32Array, whose bits are those of unsigned numbers.
std::vector<std::uint32_t> samples_argument(const Napi::Value& value) {
  const Napi::TypedArray array = typed_array_argument(value, "samples");
  if (typed_array_dtype(array) != at::kInt)
    throw CodedError("INVALID_ARGUMENT", "Expected an Int32Array for samples");
  const auto* data = static_cast<const std::uint32_t*>(typed_array_data(array));
  return {data, data + array.ElementLength()};
}

std::uint32_t count_argument(const Napi::Value& value, const char* name) {
  const std::int64_t count = integer_argument(value, name);
  if (count < 0 || count > 0xffffffff) {
    throw CodedError("INVALID_ARGUMENT", std::string("Expected 0 to 2^32 - 1 for ") + name);
  }
  return static_cast<std::uint32_t>(count);
}

TrainingPlan with_initial_weights(TrainingPlan plan, std::uint64_t seed) {
  for (const ParameterPlan& parameter : parameter_plans(plan)) {
    if (parameter.kind != ParameterKind::kWeight) continue;
    LayerPlan& layer = plan.network.layers[parameter.layer];
    (parameter.shortcut ? layer.shortcut->weight : layer.weight) = initial_weight(plan, parameter, seed);
  }
  return plan;
}

template <typename Values>
Napi::Value numbers(Napi::Env env, const Values& values) {
  Napi::Float64Array array = Napi::Float64Array::New(env, values.size());
  for (std::size_t i = 0; i < values.size(); ++i) array[i] = static_cast<double>(values[i]);
  return array;
}

}  // namespace

void TrainingHandle::define(Napi::Env env) {
  const Napi::Function constructor = DefineClass(
      env, "NativeTraining",
      {InstanceMethod("step", &TrainingHandle::step), InstanceMethod("pass", &TrainingHandle::pass),
       InstanceMethod("update", &TrainingHandle::update),
       InstanceMethod("evaluate", &TrainingHandle::evaluate),
       InstanceMethod("calibrate", &TrainingHandle::calibrate),
       InstanceMethod("state", &TrainingHandle::state), InstanceMethod("read", &TrainingHandle::read),
       InstanceMethod("write", &TrainingHandle::write), InstanceAccessor<&TrainingHandle::kernels>("kernels"),
       InstanceMethod("dispose", &TrainingHandle::dispose)});
  Environment::of(env).training_class = Napi::Persistent(constructor);
}

Napi::Value TrainingHandle::load(const Napi::CallbackInfo& info) {
  const Napi::Object object = object_argument(info[0], "the training");
  const auto pinned = std::make_shared<Pinned>();
  TrainingPlan& plan = pinned->plan;
  plan.network = plan_argument(object, pinned->pins);
  const std::string activation = string_argument(object.Get("activation"), "activation");
  if (activation != "spiking" && activation != "rectified") {
    throw CodedError("INVALID_ARGUMENT", "There is no activation " + activation);
  }
  plan.activation = activation == "spiking" ? Activation::kSpiking : Activation::kRectified;
  const Napi::Array dropout = array_argument(object.Get("dropout"), "dropout");
  for (std::uint32_t i = 0; i < dropout.Length(); ++i) plan.dropout.push_back(dropout.Get(i).ToBoolean());
  plan.dropout_rate = number(object, "dropoutRate");
  pinned->options.optimizer = optimizer_argument(object_argument(object.Get("optimizer"), "optimizer"));
  pinned->options.noise = noise_argument(object_argument(object.Get("noise"), "noise"));
  pinned->options.seed = seed_argument(object.Get("seed"));
  pinned->options.plain = flag(object, "plain");
  pinned->options.gpu = gpu_argument(object.Get("device"));
  pinned->options.mixed_precision = flag(object, "mixedPrecision");
  pinned->initialise = flag(object, "initialise");
  return Environment::of(info.Env())
      .promise<Construction>(
          info.Env(),
          [pinned] {
            TrainingPlan plan = pinned->plan;
            plan.check();
            if (pinned->initialise) {
              plan = with_initial_weights(std::move(plan), pinned->options.seed);
            } else {
              plan.network = with_own_weights(std::move(plan.network));
            }
            Construction result{std::make_shared<Trainer>(std::move(plan), pinned->options), 0};
            result.bytes = result.trainer->host_bytes();
            return result;
          },
          [](Napi::Env env, Construction&& construction) -> Napi::Value {
            return Environment::of(env).training_class.New(
                {Napi::External<Construction>::New(env, &construction)});
          });
}

TrainingHandle::TrainingHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TrainingHandle>(info) {
  if (info.Length() != 1 || !info[0].IsExternal()) {
    throw Napi::TypeError::New(info.Env(), "Trainings are made by loadTraining, not by this constructor");
  }
  auto& construction = *info[0].As<Napi::External<Construction>>().Data();
  trainer_ = std::move(construction.trainer);
  bytes_ = construction.bytes;
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), bytes_);
}

TrainingHandle::~TrainingHandle() {
  if (trainer_) release(Env());
}

void TrainingHandle::release(Napi::Env env) {
  trainer_.reset();
  Napi::MemoryManagement::AdjustExternalMemory(env, -bytes_);
}

const std::shared_ptr<Trainer>& TrainingHandle::trainer() const {
  if (!trainer_) throw CodedError("DISPOSED", "The training has been disposed");
  return trainer_;
}

Napi::Value TrainingHandle::step(const Napi::CallbackInfo& info) {
  struct Result {
    TrainingStep step;
    std::vector<double> thresholds, leaks;
  };
  return guard(info, [&]() -> Napi::Value {
    return Environment::of(info.Env())
        .promise<Result>(
            info.Env(),
            [trainer = trainer(), images = TensorHandle::from(info[0], "images").slot(),
             labels = labels_argument(info[1]), samples = samples_argument(info[2]),
             count = count_argument(info[3], "number"), epoch = count_argument(info[4], "epoch"),
             rate = number_argument(info[5], "learningRate"),
             cancellation = CancellationHandle::from(info.Env(), info[6])] {
              cancellation->check();
              Result result{
                  trainer->step(images->get(), labels, samples, count, epoch, rate, *cancellation), {}, {}};
              result.thresholds = trainer->scalars(ParameterKind::kThreshold);
              result.leaks = trainer->scalars(ParameterKind::kLeak);
              return result;
            },
            [](Napi::Env env, Result&& step) -> Napi::Value {
              Napi::Object result = Napi::Object::New(env);
              result.Set("losses", numbers(env, step.step.losses));
              result.Set("correct", numbers(env, step.step.correct));
              result.Set("spikes", numbers(env, step.step.spikes));
              result.Set("gradientNorm", step.step.gradient_norm);
              result.Set("thresholds", numbers(env, step.thresholds));
              result.Set("leaks", numbers(env, step.leaks));
              return result;
            });
  });
}

Napi::Value TrainingHandle::pass(const Napi::CallbackInfo& info) {
  return guard(info, [&]() -> Napi::Value {
    const bool image_gradient = info[4].ToBoolean();
    return Environment::of(info.Env())
        .promise<TrainingPass>(
            info.Env(),
            [trainer = trainer(), images = TensorHandle::from(info[0], "images").slot(),
             labels = labels_argument(info[1]), samples = samples_argument(info[2]),
             count = count_argument(info[3], "number"), image_gradient, seed = seed_argument(info[5]),
             draw = info[6].IsUndefined() ? 0 : count_argument(info[6], "draw"),
             cancellation = CancellationHandle::from(info.Env(), info[7])] {
              cancellation->check();
              TrainingBatch batch{images->get(), labels, {seed, count, samples}, draw};
              batch.image_gradient = image_gradient;
              return trainer->pass(batch, *cancellation);
            },
            [](Napi::Env env, TrainingPass&& pass) -> Napi::Value {
              Napi::Object result = Napi::Object::New(env);
              result.Set("losses", TensorHandle::wrap(env, std::move(pass.losses)));
              result.Set("logits", TensorHandle::wrap(env, std::move(pass.logits)));
              result.Set("counts", to_typed_array(env, pass.counts));
              if (pass.image_gradient.defined()) {
                result.Set("imageGradient", TensorHandle::wrap(env, std::move(pass.image_gradient)));
              }
              return result;
            });
  });
}

namespace {

/// A promise of work that gives nothing.
Napi::Promise done(Napi::Env env, std::function<void()> work) {
  return Environment::of(env).promise<bool>(
      env,
      [work = std::move(work)] {
        work();
        return true;
      },
      [](Napi::Env resolved, bool&&) -> Napi::Value { return resolved.Undefined(); });
}

}  // namespace

Napi::Value TrainingHandle::update(const Napi::CallbackInfo& info) {
  return guard(info, [&]() -> Napi::Value {
    return done(info.Env(), [trainer = trainer(), rate = number_argument(info[0], "learningRate")] {
      trainer->update(rate);
    });
  });
}

Napi::Value TrainingHandle::evaluate(const Napi::CallbackInfo& info) {
  return guard(info, [&]() -> Napi::Value {
    return Environment::of(info.Env())
        .promise<Evaluation>(
            info.Env(),
            [trainer = trainer(), images = TensorHandle::from(info[0], "images").slot(),
             samples = samples_argument(info[1]),
             cancellation = CancellationHandle::from(info.Env(), info[2])] {
              cancellation->check();
              return trainer->evaluate(images->get(), samples, *cancellation);
            },
            [](Napi::Env env, Evaluation&& evaluation) -> Napi::Value {
              Napi::Object result = Napi::Object::New(env);
              result.Set("logits", TensorHandle::wrap(env, std::move(evaluation.logits)));
              result.Set("counts", to_typed_array(env, evaluation.counts));
              return result;
            });
  });
}

Napi::Value TrainingHandle::calibrate(const Napi::CallbackInfo& info) {
  return guard(info, [&]() -> Napi::Value {
    const Napi::Object object = object_argument(info[2], "calibration");
    CalibrationOptions options;
    options.timesteps = integer_argument(object.Get("timesteps"), "timesteps");
    options.fraction = number(object, "fraction");
    options.scale = number(object, "scale");
    options.block_threshold = number(object, "blockThreshold");
    return Environment::of(info.Env())
        .promise<std::vector<double>>(
            info.Env(),
            [trainer = trainer(), images = TensorHandle::from(info[0], "images").slot(),
             samples = samples_argument(info[1]), options,
             cancellation = CancellationHandle::from(info.Env(), info[3])] {
              cancellation->check();
              return trainer->calibrate(images->get(), samples, options, *cancellation);
            },
            [](Napi::Env env, std::vector<double>&& found) -> Napi::Value { return numbers(env, found); });
  });
}

Napi::Value TrainingHandle::state(const Napi::CallbackInfo& info) {
  return guard(info, [&]() -> Napi::Value {
    return Environment::of(info.Env())
        .promise<std::vector<std::string>>(
            info.Env(), [trainer = trainer()] { return trainer->state(); },
            [](Napi::Env env, std::vector<std::string>&& names) -> Napi::Value {
              Napi::Array result = Napi::Array::New(env, names.size());
              for (std::uint32_t i = 0; i < names.size(); ++i) result[i] = Napi::String::New(env, names[i]);
              return result;
            });
  });
}

Napi::Value TrainingHandle::read(const Napi::CallbackInfo& info) {
  return guard(info, [&]() -> Napi::Value {
    return Environment::of(info.Env())
        .promise<at::Tensor>(
            info.Env(),
            [trainer = trainer(), name = string_argument(info[0], "name")] { return trainer->read(name); },
            [](Napi::Env env, at::Tensor&& values) -> Napi::Value {
              return TensorHandle::wrap(env, std::move(values));
            });
  });
}

Napi::Value TrainingHandle::write(const Napi::CallbackInfo& info) {
  return guard(info, [&]() -> Napi::Value {
    return done(info.Env(), [trainer = trainer(), name = string_argument(info[0], "name"),
                             values = TensorHandle::from(info[1], "values").slot()] {
      trainer->write(name, values->get());
    });
  });
}

Napi::Value TrainingHandle::kernels(const Napi::CallbackInfo& info) {
  return guard(info, [&]() -> Napi::Value {
    // Constant from the construction on.
    return Napi::String::New(info.Env(), trainer()->network().kernels());
  });
}

void TrainingHandle::dispose(const Napi::CallbackInfo& info) {
  if (trainer_) release(info.Env());
}

}  // namespace hire_snn
