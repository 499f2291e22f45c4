#pragma once

#include <string>

namespace hire_snn {

/// The libtorch in this process.
struct LibtorchIdentity {
  std::string version;  ///< "2.13.0", of the headers that the addon was compiled with
  std::string root;     ///< the folder whose lib/ the loaded libc10 lies in
};

/// Finds out which libtorch was loaded. Throws CodedError ADDON_UNAVAILABLE if it is not the one that the
/// addon was built for: two versions in one process corrupt memory rather than fail.
LibtorchIdentity identify_libtorch();

}  // namespace hire_snn
