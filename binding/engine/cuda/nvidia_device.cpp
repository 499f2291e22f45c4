#include "nvidia_device.h"

#include <ATen/Context.h>
#include <ATen/ops/empty.h>

#include <array>

#include "driver_library.h"
#include "engine/error.h"

namespace hire_snn::cuda {
namespace {

// CUdevice_attribute.
constexpr int kComputeCapabilityMajor = 75;
constexpr int kComputeCapabilityMinor = 76;
constexpr int kLeastMajor = 8;

/// libtorch's own context of the GPU: its memory is that of the kernels.
class Context {
 public:
  Context(const DriverLibrary& driver, int index) : driver_(driver) {
    driver_.check(driver_.cuDeviceGet(&device_, index), "finding the GPU");
    driver_.check(driver_.cuDevicePrimaryCtxRetain(&context_, device_), "opening the GPU");
  }
  ~Context() { driver_.cuDevicePrimaryCtxRelease(device_); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  ContextObject* get() const { return context_; }
  DeviceIndex device() const { return device_; }

 private:
  const DriverLibrary& driver_;
  DeviceIndex device_ = 0;
  ContextObject* context_ = nullptr;
};

/// Makes a context that of the thread.
class Current {
 public:
  Current(const DriverLibrary& driver, const Context& context) : driver_(driver) {
    driver_.check(driver_.cuCtxPushCurrent(context.get()), "entering the GPU's context");
  }
  ~Current() {
    ContextObject* left = nullptr;
    driver_.cuCtxPopCurrent(&left);
  }
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;

 private:
  const DriverLibrary& driver_;
};

class NvidiaDevice final : public Device {
 public:
  NvidiaDevice(int index, const KernelOptions& options)
      : driver_(DriverLibrary::get()), index_(index), context_(driver_, open_gpu(index).index()) {
    const Current current(driver_, context_);
    const std::string architecture = this->architecture();
    std::array<char, 256> text{};
    driver_.check(driver_.cuDeviceGetName(text.data(), static_cast<int>(text.size()), context_.device()),
                  "asking for the GPU's name");
    name_ = std::string(text.data()) + " " + architecture + (options.tf32 ? " tf32" : "");
    const auto number = [](auto value) { return std::to_string(static_cast<int>(value)); };
    const std::vector<char> image = driver_.compiled(
        architecture, {"-DHIRE_SNN_SURROGATE_SHAPE=" + number(options.surrogate.shape),
                       "-DHIRE_SNN_SURROGATE_SCALE=" + number(options.surrogate.scale),
                       std::string("-DHIRE_SNN_SPLIT=") + (options.tf32 ? "false" : "true")});
    driver_.check(driver_.cuModuleLoadData(&module_, image.data()), "loading the kernels");
    try {
      find(multiply_levels_, "multiply_levels");
      find(multiply_gradients_, "multiply_gradients");
      find(fire_, "fire");
      find(pool_, "pool");
      find(count_reached_, "count_reached");
      find(image_currents_, "image_currents");
      find(logits_, "logits");
      find(neuron_gradients_, "neuron_gradients");
      find(image_gradient_, "image_gradient");
    } catch (...) {
      driver_.cuModuleUnload(module_);
      throw;
    }
  }

  ~NvidiaDevice() override {
    // Errors at this point have nobody to go to.
    if (driver_.cuCtxPushCurrent(context_.get()) != 0) return;
    for (EventObject* event : events_) {
      if (event) driver_.cuEventDestroy(event);
    }
    driver_.cuModuleUnload(module_);
    ContextObject* left = nullptr;
    driver_.cuCtxPopCurrent(&left);
  }

  at::Device device() const override { return {at::kCUDA, static_cast<at::DeviceIndex>(index_)}; }
  std::string name() const override { return name_; }

  void multiply_levels(Grid grid, const ProductParameters& p) override { launch(multiply_levels_, grid, p); }
  void multiply_gradients(Grid grid, const ProductParameters& p) override {
    launch(multiply_gradients_, grid, p);
  }
  void fire(Grid grid, const FireParameters& p) override { launch(fire_, grid, p); }
  void pool(Grid grid, const PoolParameters& p) override { launch(pool_, grid, p); }
  void count_reached(Grid grid, const ReachParameters& p) override { launch(count_reached_, grid, p); }
  void image_currents(Grid grid, const ImageCurrentsParameters& p) override {
    launch(image_currents_, grid, p);
  }
  void logits(Grid grid, const LogitsParameters& p) override { launch(logits_, grid, p); }
  void neuron_gradients(Grid grid, const NeuronGradientParameters& p) override {
    launch(neuron_gradients_, grid, p);
  }
  void image_gradient(Grid grid, const ImageGradientParameters& p) override {
    launch(image_gradient_, grid, p);
  }

  void mark(std::size_t index) override {
    const Current current(driver_, context_);
    if (events_.size() <= index) events_.resize(index + 1);
    if (!events_[index]) driver_.check(driver_.cuEventCreate(&events_[index], 0), "making an event");
    driver_.check(driver_.cuEventRecord(events_[index], nullptr), "recording an event");
  }

  double seconds_between(std::size_t from, std::size_t to) override {
    if (from >= events_.size() || to >= events_.size() || !events_[from] || !events_[to]) return 0;
    const Current current(driver_, context_);
    float milliseconds = 0;
    driver_.check(driver_.cuEventSynchronize(events_[to]), "waiting for an event");
    driver_.check(driver_.cuEventElapsedTime(&milliseconds, events_[from], events_[to]), "timing");
    return milliseconds / 1000.0;
  }

 private:
  std::string architecture() const {
    int major = 0;
    int minor = 0;
    driver_.check(driver_.cuDeviceGetAttribute(&major, kComputeCapabilityMajor, context_.device()),
                  "asking for the GPU's architecture");
    driver_.check(driver_.cuDeviceGetAttribute(&minor, kComputeCapabilityMinor, context_.device()),
                  "asking for the GPU's architecture");
    if (major < kLeastMajor) {
      throw CodedError("DEVICE_UNAVAILABLE", "Expected a GPU of compute capability 8.0 or later but found " +
                                                 std::to_string(major) + "." + std::to_string(minor));
    }
    return "sm_" + std::to_string(major) + std::to_string(minor);
  }

  void find(FunctionObject*& function, const char* name) {
    driver_.check(driver_.cuModuleGetFunction(&function, module_, name), "finding a kernel");
  }

  template <typename Parameters>
  void launch(FunctionObject* function, Grid grid, const Parameters& parameters) {
    const Current current(driver_, context_);
    // The stream that libtorch uses unless it is told otherwise, so that its operations and these keep their
    // order.
    StreamObject* const stream = nullptr;
    Parameters copy = parameters;
    void* arguments[] = {&copy};
    driver_.check(
        driver_.cuLaunchKernel(function, static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y), 1,
                               kThreads, 1, 1, 0, stream, arguments, nullptr),
        "starting a kernel");
  }

  const DriverLibrary& driver_;
  int index_;
  Context context_;
  std::string name_;
  ModuleObject* module_ = nullptr;
  FunctionObject* multiply_levels_ = nullptr;
  FunctionObject* multiply_gradients_ = nullptr;
  FunctionObject* fire_ = nullptr;
  FunctionObject* pool_ = nullptr;
  FunctionObject* count_reached_ = nullptr;
  FunctionObject* image_currents_ = nullptr;
  FunctionObject* logits_ = nullptr;
  FunctionObject* neuron_gradients_ = nullptr;
  FunctionObject* image_gradient_ = nullptr;
  std::vector<EventObject*> events_;
};

}  // namespace

std::unique_ptr<Device> make_nvidia_device(int index, const KernelOptions& options) {
  return std::make_unique<NvidiaDevice>(index, options);
}

at::Device open_gpu(int index) {
  DriverLibrary::get();
  const auto count = static_cast<int>(at::getNumGPUs());
  if (index < 0 || index >= count) {
    throw CodedError("DEVICE_UNAVAILABLE", "Expected the GPU cuda:" + std::to_string(index) + " but found " +
                                               std::to_string(count) + (count == 1 ? " GPU" : " GPUs"));
  }
  const at::Device device(at::kCUDA, static_cast<at::DeviceIndex>(index));
  at::empty({1}, at::TensorOptions(device));  // libtorch opens it
  // Settings of the process. On a GPU too, a convolution of float32 is one of float32, and the same one each
  // time.
  at::globalContext().setAllowTF32CuDNN(false);
  at::globalContext().setDeterministicCuDNN(true);
  return device;
}

}  // namespace hire_snn::cuda
