#pragma once

#include <atomic>
#include <memory>

#include "error.h"

namespace hire_snn {

/// Asks running work to stop. The asking side sets the flag from any thread; the working side calls check() wherever it can
/// stop without leaving anything half done, which has to be often enough that a person does not wait for it.
class Cancellation {
 public:
  void request() noexcept { requested_.store(true, std::memory_order_relaxed); }
  bool requested() const noexcept { return requested_.load(std::memory_order_relaxed); }

  /// Throws CodedError ABORTED once a stop has been requested.
  void check() const {
    if (requested()) throw CodedError("ABORTED", "The work was stopped before its end");
  }

 private:
  std::atomic<bool> requested_{false};
};

}  // namespace hire_snn
