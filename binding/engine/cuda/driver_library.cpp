#include "driver_library.h"

#include <c10/core/Allocator.h>
#include <dlfcn.h>

#include <filesystem>
#include <map>
#include <mutex>

#include "engine/error.h"
#include "kernel_sources.h"

namespace hire_snn::cuda {
namespace {

constexpr auto kLibrary = "libcaffe2_nvrtc.so";

/// The folder of the libtorch that this process has loaded.
std::filesystem::path libtorch_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&c10::GetAllocator), &info) == 0 || !info.dli_fname) return {};
  return std::filesystem::path(info.dli_fname).parent_path();
}

void* open_library() {
  const auto path = libtorch_folder() / kLibrary;
  if (!std::filesystem::exists(path)) {
    throw CodedError(
        "DEVICE_UNAVAILABLE",
        "Expected a libtorch with CUDA for the device cuda, but that in " + libtorch_folder().string() +
            " is one without. Set HIRE_SNN_LIBTORCH to the root of one with CUDA (the torch folder "
            "of a Python package will do) and set up again");
  }
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* reason = dlerror();
    throw CodedError("DEVICE_UNAVAILABLE", std::string("Expected an NVIDIA driver for the device cuda, but "
                                                       "CUDA's libraries cannot be loaded: ") +
                                               (reason ? reason : "no reason is given"));
  }
  return library;
}

template <typename Function>
void find(void* library, Function& function, const char* name) {
  // Also looks in the libraries that this one is linked with.
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (!function) {
    throw CodedError("DEVICE_UNAVAILABLE", std::string("Expected ") + name +
                                               " in the CUDA libraries behind " + kLibrary +
                                               " but there is none: the driver is too old");
  }
}

}  // namespace

const DriverLibrary& DriverLibrary::get() {
  static const DriverLibrary library;  // tried again at the next call if it throws
  return library;
}

DriverLibrary::DriverLibrary() {
  void* library = open_library();
  find(library, cuDeviceGet, "cuDeviceGet");
  find(library, cuDeviceGetName, "cuDeviceGetName");
  find(library, cuDeviceGetAttribute, "cuDeviceGetAttribute");
  find(library, cuDevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain");
  find(library, cuDevicePrimaryCtxRelease, "cuDevicePrimaryCtxRelease_v2");
  find(library, cuCtxPushCurrent, "cuCtxPushCurrent_v2");
  find(library, cuCtxPopCurrent, "cuCtxPopCurrent_v2");
  find(library, cuModuleLoadData, "cuModuleLoadData");
  find(library, cuModuleUnload, "cuModuleUnload");
  find(library, cuModuleGetFunction, "cuModuleGetFunction");
  find(library, cuLaunchKernel, "cuLaunchKernel");
  find(library, cuEventCreate, "cuEventCreate");
  find(library, cuEventRecord, "cuEventRecord");
  find(library, cuEventSynchronize, "cuEventSynchronize");
  find(library, cuEventElapsedTime, "cuEventElapsedTime");
  find(library, cuEventDestroy, "cuEventDestroy_v2");
  find(library, cuGetErrorString, "cuGetErrorString");
  find(library, nvrtcCreateProgram, "nvrtcCreateProgram");
  find(library, nvrtcCompileProgram, "nvrtcCompileProgram");
  find(library, nvrtcGetCUBINSize, "nvrtcGetCUBINSize");
  find(library, nvrtcGetCUBIN, "nvrtcGetCUBIN");
  find(library, nvrtcGetProgramLogSize, "nvrtcGetProgramLogSize");
  find(library, nvrtcGetProgramLog, "nvrtcGetProgramLog");
  find(library, nvrtcDestroyProgram, "nvrtcDestroyProgram");
}

void DriverLibrary::check(DriverStatus status, const char* what) const {
  if (status == 0) return;
  const char* text = nullptr;
  cuGetErrorString(status, &text);
  throw CodedError("DEVICE_FAILED", std::string("CUDA: ") + what + " failed with error " +
                                        std::to_string(status) + (text ? std::string(", ") + text : ""));
}

std::vector<char> DriverLibrary::compiled(const std::string& architecture,
                                          const std::vector<std::string>& definitions) const {
  static std::mutex lock;
  static std::map<std::vector<std::string>, std::vector<char>> images;
  std::vector<std::string> key = definitions;
  key.push_back(architecture);
  const std::lock_guard guard(lock);
  const auto found = images.find(key);
  return found != images.end() ? found->second : images[key] = compile(architecture, definitions);
}

std::vector<char> DriverLibrary::compile(const std::string& architecture,
                                         const std::vector<std::string>& definitions) const {
  const auto fail = [](const std::string& reason) {
    throw CodedError("DEVICE_FAILED", "CUDA's run-time compiler: " + reason);
  };
  // With an end of text, which the embedded files do not have.
  std::vector<std::string> texts;
  std::vector<const char*> names;
  for (const SourceFile& file : kernel_sources()) {
    texts.emplace_back(file.text);
    names.push_back(file.name);
  }
  std::vector<const char*> headers;
  for (std::size_t i = 1; i < texts.size(); ++i) headers.push_back(texts[i].c_str());

  ProgramObject* program = nullptr;
  if (nvrtcCreateProgram(&program, texts.front().c_str(), names.front(), static_cast<int>(headers.size()),
                         headers.data(), names.data() + 1) != 0) {
    fail("the program cannot be made");
  }
  const std::string target = "--gpu-architecture=" + architecture;
  // No contraction: see docs/design.md, rule 9.
  std::vector<const char*> options = {target.c_str(), "--std=c++17", "--fmad=false"};
  for (const std::string& definition : definitions) options.push_back(definition.c_str());
  const CompilerStatus status =
      nvrtcCompileProgram(program, static_cast<int>(options.size()), options.data());
  std::vector<char> image;
  if (status == 0) {
    std::size_t size = 0;
    nvrtcGetCUBINSize(program, &size);
    image.resize(size);
    nvrtcGetCUBIN(program, image.data());
    nvrtcDestroyProgram(&program);
    if (image.empty()) fail("no code was made for " + architecture);
    return image;
  }
  std::size_t size = 0;
  nvrtcGetProgramLogSize(program, &size);
  std::string log(size, '\0');
  if (size > 0) nvrtcGetProgramLog(program, log.data());
  nvrtcDestroyProgram(&program);
  fail("no code was made for " + architecture + ", error " + std::to_string(status) + ": " + log.c_str());
  return image;
}

}  // namespace hire_snn::cuda
