#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "engine/surrogate.h"
#include "kernels/parameters.h"

namespace hire_snn::cuda {

/// What the kernels are made for.
struct KernelOptions {
  Surrogate surrogate;
  bool tf32 = false;  ///< one product of 11 bits instead of two or three
};

/// Blocks of kThreads threads.
struct Grid {
  int x;
  int y = 1;
};

/// A device with the kernels of one network. Launches return before the work is done; what is launched, and
/// what libtorch does with tensors of `device()`, is done in the order of the calls.
class Device {
 public:
  virtual ~Device() = default;

  /// Where tensors have to lie.
  virtual at::Device device() const = 0;
  /// What computes: part of a run's identity.
  virtual std::string name() const = 0;

  virtual void multiply_levels(Grid grid, const ProductParameters& parameters) = 0;
  virtual void multiply_gradients(Grid grid, const ProductParameters& parameters) = 0;
  virtual void fire(Grid grid, const FireParameters& parameters) = 0;
  virtual void pool(Grid grid, const PoolParameters& parameters) = 0;
  virtual void count_reached(Grid grid, const ReachParameters& parameters) = 0;
  virtual void image_currents(Grid grid, const ImageCurrentsParameters& parameters) = 0;
  virtual void logits(Grid grid, const LogitsParameters& parameters) = 0;
  virtual void neuron_gradients(Grid grid, const NeuronGradientParameters& parameters) = 0;
  virtual void image_gradient(Grid grid, const ImageGradientParameters& parameters) = 0;

  /// Sets mark `index` behind what was launched so far.
  virtual void mark(std::size_t index) = 0;
  /// What lay between two marks; waits for the second. 0 if one was never set.
  virtual double seconds_between(std::size_t from, std::size_t to) = 0;
};

}  // namespace hire_snn::cuda
