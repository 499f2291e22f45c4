#pragma once

#include <exception>
#include <string>

#include "engine/error.h"

namespace hire_snn {

/// What a user is told of an exception that came out of a script's forward().
CodedError running_failure(const std::exception& error);

/// What a user is told of an exception that came out of loading a script.
CodedError loading_failure(const std::string& path, const std::exception& error);

}  // namespace hire_snn
