#pragma once

#include <exception>
#include <string>

namespace hire_snn {

/// What JavaScript is told of an exception.
struct Failure {
  std::string code;  ///< one of src/errors.ts
  std::string message;
};

/// The one place where C++ exceptions become errors that a user reads: no back-trace of libtorch passes it.
Failure describe_failure(const std::exception_ptr& exception) noexcept;

}  // namespace hire_snn
