#include "emulated_device.h"

#include <chrono>
#include <vector>

#include "simt.h"

// The kernels themselves, over emulation/simt.h.
#include "engine/cuda/kernels/images.h"
#include "engine/cuda/kernels/neurons.h"
#include "engine/cuda/kernels/products.h"

namespace hire_snn::cuda {
namespace {

void run(Grid grid, const std::function<void()>& kernel) {
  for (int y = 0; y < grid.y; ++y) {
    for (int x = 0; x < grid.x; ++x) emulation::run_block(x, y, kernel);
  }
}

template <bool split>
class EmulatedDevice final : public Device {
 public:
  explicit EmulatedDevice(const Surrogate& surrogate) : surrogate_(surrogate) {}

  at::Device device() const override { return at::kCPU; }
  std::string name() const override { return "emulated"; }

  void multiply_levels(Grid grid, const ProductParameters& p) override {
    run(grid, [&] { multiply_rows<LevelOperand<split>>(p); });
  }
  void multiply_gradients(Grid grid, const ProductParameters& p) override {
    run(grid, [&] { multiply_rows<GradientOperand<split>>(p); });
  }
  void fire(Grid grid, const FireParameters& p) override {
    run(grid, [&] { fire_neurons(p); });
  }
  void pool(Grid grid, const PoolParameters& p) override {
    run(grid, [&] { pool_levels(p); });
  }
  void count_reached(Grid grid, const ReachParameters& p) override {
    run(grid, [&] { add_reached(p); });
  }
  void image_currents(Grid grid, const ImageCurrentsParameters& p) override {
    run(grid, [&] { weigh_images(p); });
  }
  void logits(Grid grid, const LogitsParameters& p) override {
    run(grid, [&] { add_logits(p); });
  }
  void neuron_gradients(Grid grid, const NeuronGradientParameters& p) override {
    with_surrogate_shape(surrogate_.shape, [&](auto shape) {
      if (surrogate_.scale == SurrogateScale::kThreshold) {
        run(grid, [&] { differentiate_neurons<shape(), SurrogateScale::kThreshold>(p); });
      } else {
        run(grid, [&] { differentiate_neurons<shape(), SurrogateScale::kAbsolute>(p); });
      }
    });
  }
  void image_gradient(Grid grid, const ImageGradientParameters& p) override {
    run(grid, [&] { differentiate_images(p); });
  }

  void mark(std::size_t index) override {
    if (marks_.size() <= index) marks_.resize(index + 1);
    marks_[index] = Clock::now();
  }
  double seconds_between(std::size_t from, std::size_t to) override {
    if (from >= marks_.size() || to >= marks_.size()) return 0;
    return std::chrono::duration<double>(marks_[to] - marks_[from]).count();
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::vector<Clock::time_point> marks_;
  Surrogate surrogate_;
};

}  // namespace

std::unique_ptr<Device> make_emulated_device(const KernelOptions& options) {
  if (options.tf32) return std::make_unique<EmulatedDevice<false>>(options.surrogate);
  return std::make_unique<EmulatedDevice<true>>(options.surrogate);
}

}  // namespace hire_snn::cuda
