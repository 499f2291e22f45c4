#pragma once

#include <c10/util/Exception.h>

#include <iostream>
#include <string>
#include <unordered_set>

namespace hire_snn {

/// While it lives, libtorch's warnings on this thread go to stderr once each: a script is run thousands of
/// times, and what libtorch thinks of an operator of it is said at every call.
class ScriptWarnings {
 public:
  ScriptWarnings() : guard_(&handler()) {}

 private:
  class Once final : public c10::WarningHandler {
   public:
    void process(const c10::Warning& warning) override {
      // A message with a number in it could be another one each time.
      if (said_.size() < 100 && said_.insert(warning.msg()).second)
        std::cerr << "libtorch: " << warning.msg() << std::endl;
    }

   private:
    std::unordered_set<std::string> said_;
  };

  static Once& handler() {
    thread_local Once once;
    return once;
  }

  c10::WarningUtils::WarningHandlerGuard guard_;
};

}  // namespace hire_snn
