#pragma once

#include <atomic>
#include <memory>

#include "error.h"

namespace hire_snn {

/// Asks running work to stop. The asking side sets the flag from any thread; the working side calls check()
/// wherever it can stop without leaving anything half done, which has to be often enough that a person does
/// not wait for it.
class Cancellation {
 public:
  Cancellation() = default;
  /// @param ending raised when all work of the process or environment has to stop
  explicit Cancellation(std::shared_ptr<const std::atomic<bool>> ending) : ending_(std::move(ending)) {}

  void request() noexcept { requested_.store(true, std::memory_order_relaxed); }
  bool requested() const noexcept {
    return requested_.load(std::memory_order_relaxed) ||
           (ending_ && ending_->load(std::memory_order_relaxed));
  }

  /// Throws CodedError ABORTED once a stop has been requested.
  void check() const {
    if (requested()) throw CodedError("ABORTED", "The work was stopped before its end");
  }

 private:
  std::atomic<bool> requested_{false};
  std::shared_ptr<const std::atomic<bool>> ending_;
};

}  // namespace hire_snn
