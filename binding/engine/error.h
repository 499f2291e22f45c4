#pragma once

#include <stdexcept>
#include <string>

namespace hire_snn {

/// An error with one of the codes of src/errors.ts; the message is what a user reads.
class CodedError : public std::runtime_error {
 public:
  CodedError(std::string code, const std::string& message)
      : std::runtime_error(message), code_(std::move(code)) {}

  const std::string& code() const noexcept { return code_; }

 private:
  std::string code_;
};

}  // namespace hire_snn
