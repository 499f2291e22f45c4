#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hire_snn {

/// A method of a script, for messages and listings.
struct ScriptMethod {
  std::string name;
  std::string signature;  ///< "forward(Tensor x) -> Tensor", without self
};

/// One of the tensors that a script returned.
struct ScriptOutput {
  std::string path;  ///< "" for a bare tensor; indices, keys and field names joined by dots within containers
  at::Tensor value;
};

/// A program with its weights from a TorchScript archive (torch.jit.save). To load one is to trust it: its
/// code runs, here and in forward().
///
/// Parameters never require a gradient. The module that was loaded is not changed by use: one that changes
/// itself (membranes kept as state, counters) is run on a copy each time, which is found out at the first
/// run.
///
/// This header and those that include it know nothing of libtorch's TorchScript headers, which take long to
/// compile: they are included in this folder's .cpp files alone.
class ScriptModule {
 public:
  /// @param dtype kFloat or kDouble, to which all floating-point weights are converted; without it float64
  ///   weights stay, and 16-bit ones become float32
  /// @param device where it runs, with all tensors that it was saved with
  /// Throws CodedError SCRIPT_INVALID if it cannot be loaded, or has no forward() of one tensor.
  ScriptModule(const std::string& path, std::optional<at::ScalarType> dtype, at::Device device);
  ~ScriptModule();
  ScriptModule(const ScriptModule&) = delete;
  ScriptModule& operator=(const ScriptModule&) = delete;

  /// Of its floating-point weights: kDouble if all are float64, else kFloat.
  at::ScalarType dtype() const;
  at::Device device() const;
  const std::vector<ScriptMethod>& methods() const;
  /// Memory of its weights.
  std::int64_t bytes() const;
  /// Whether it was saved in training mode; it is run in evaluation mode.
  bool was_training() const;
  /// Whether a run has changed its state so far.
  bool changes_itself() const;

  /// Runs forward() in the gradient mode of the caller. Every tensor in what it returns is listed, where it
  /// is.
  /// @param input of any device
  ///
  /// Throws CodedError SCRIPT_FAILED with the script's own last line, or OUT_OF_MEMORY.
  std::vector<ScriptOutput> forward(const at::Tensor& input);
  std::vector<ScriptOutput> forward_without_gradient(const at::Tensor& input);

 private:
  struct Program;
  std::unique_ptr<Program> program_;
};

}  // namespace hire_snn
