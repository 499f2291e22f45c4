#include "libtorch_identity.h"

#include <c10/core/Allocator.h>
#include <dlfcn.h>
#include <torch/version.h>

#include <filesystem>

#include "engine/error.h"

#if !defined(HIRE_SNN_LIBTORCH_ROOT) || !defined(HIRE_SNN_LIBTORCH_LIB_DIR)
#error "The build has to say for which libtorch it is: -DHIRE_SNN_LIBTORCH_ROOT, -DHIRE_SNN_LIBTORCH_LIB_DIR"
#endif

namespace hire_snn {

LibtorchIdentity identify_libtorch() {
  namespace fs = std::filesystem;
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&c10::GetAllocator), &info) == 0 || info.dli_fname == nullptr) {
    throw CodedError("ADDON_UNAVAILABLE", "The file that libc10 was loaded from cannot be found out");
  }
  std::error_code ignored;
  const fs::path loaded = fs::weakly_canonical(info.dli_fname, ignored).parent_path();
  const fs::path built = fs::weakly_canonical(HIRE_SNN_LIBTORCH_LIB_DIR, ignored);
  if (loaded != built) {
    throw CodedError("ADDON_UNAVAILABLE",
                     "Expected libc10 of " + built.string() + ", for which the addon was built, but " +
                         loaded.string() +
                         " was loaded first: remove it from LD_LIBRARY_PATH or LD_PRELOAD, or build "
                         "for it with HIRE_SNN_LIBTORCH set to its root");
  }
  return {TORCH_VERSION, HIRE_SNN_LIBTORCH_ROOT};
}

}  // namespace hire_snn
