#include "failure.h"

#include <c10/util/Exception.h>

#include <new>

#include "engine/error.h"

namespace hire_snn {

Failure describe_failure(const std::exception_ptr& exception) noexcept {
  constexpr auto out_of_memory = "Not enough memory for this work: use a smaller batch size";
  try {
    std::rethrow_exception(exception);
  } catch (const CodedError& error) {
    return {error.code(), error.what()};
  } catch (const c10::OutOfMemoryError&) {
    return {"OUT_OF_MEMORY", out_of_memory};
  } catch (const c10::Error& error) {
    // what() would also render the C++ stack, which takes milliseconds and helps no user.
    std::string message = error.what_without_backtrace();
    // The CPU allocator reports exhaustion as a plain c10::Error.
    if (message.find("can't allocate memory") != std::string::npos) return {"OUT_OF_MEMORY", out_of_memory};
    return {"NATIVE_FAILURE", "libtorch: " + message};
  } catch (const std::bad_alloc&) {
    return {"OUT_OF_MEMORY", out_of_memory};
  } catch (const std::exception& error) {
    return {"NATIVE_FAILURE", error.what()};
  } catch (...) {
    return {"NATIVE_FAILURE", "An exception of unknown type was thrown"};
  }
}

}  // namespace hire_snn
