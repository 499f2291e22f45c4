#pragma once

#include <string>
#include <vector>

namespace hire_snn::cuda {

// The part of CUDA's driver interface and of its run-time compiler that is used here, declared after NVIDIA's
// documents (CUDA Driver API; NVRTC), whose binary interfaces do not change. So neither CUDA's headers nor
// its toolkit are needed to build, and one addon serves a libtorch with CUDA and one without.
using DriverStatus = int;    // CUresult: 0 is success
using CompilerStatus = int;  // nvrtcResult: 0 is success
using DeviceIndex = int;     // CUdevice
struct ContextObject;
struct ModuleObject;
struct FunctionObject;
struct EventObject;
struct StreamObject;
struct ProgramObject;

/// Both libraries, through the one that libtorch itself loads for its own run-time compilation: it is linked
/// with the driver of the machine and with the compiler that came with libtorch.
class DriverLibrary {
 public:
  /// Throws CodedError DEVICE_UNAVAILABLE: libtorch is one without CUDA, or the machine has no driver.
  static const DriverLibrary& get();

  DriverStatus (*cuDeviceGet)(DeviceIndex*, int ordinal);
  DriverStatus (*cuDeviceGetName)(char*, int size, DeviceIndex);
  DriverStatus (*cuDeviceGetAttribute)(int*, int attribute, DeviceIndex);
  DriverStatus (*cuDevicePrimaryCtxRetain)(ContextObject**, DeviceIndex);
  DriverStatus (*cuDevicePrimaryCtxRelease)(DeviceIndex);
  DriverStatus (*cuCtxPushCurrent)(ContextObject*);
  DriverStatus (*cuCtxPopCurrent)(ContextObject**);
  DriverStatus (*cuModuleLoadData)(ModuleObject**, const void* image);
  DriverStatus (*cuModuleUnload)(ModuleObject*);
  DriverStatus (*cuModuleGetFunction)(FunctionObject**, ModuleObject*, const char* name);
  DriverStatus (*cuLaunchKernel)(FunctionObject*, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                                 unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                                 StreamObject*, void** parameters, void** extra);
  DriverStatus (*cuEventCreate)(EventObject**, unsigned flags);
  DriverStatus (*cuEventRecord)(EventObject*, StreamObject*);
  DriverStatus (*cuEventSynchronize)(EventObject*);
  DriverStatus (*cuEventElapsedTime)(float* milliseconds, EventObject* start, EventObject* end);
  DriverStatus (*cuEventDestroy)(EventObject*);
  DriverStatus (*cuGetErrorString)(DriverStatus, const char**);

  CompilerStatus (*nvrtcCreateProgram)(ProgramObject**, const char* source, const char* name, int headers,
                                       const char* const* header_sources, const char* const* header_names);
  CompilerStatus (*nvrtcCompileProgram)(ProgramObject*, int options, const char* const* option_texts);
  CompilerStatus (*nvrtcGetCUBINSize)(ProgramObject*, std::size_t*);
  CompilerStatus (*nvrtcGetCUBIN)(ProgramObject*, char*);
  CompilerStatus (*nvrtcGetProgramLogSize)(ProgramObject*, std::size_t*);
  CompilerStatus (*nvrtcGetProgramLog)(ProgramObject*, char*);
  CompilerStatus (*nvrtcDestroyProgram)(ProgramObject**);

  /// Throws CodedError DEVICE_FAILED with the driver's own words unless `status` is success.
  void check(DriverStatus status, const char* what) const;

  /// The kernels for one architecture ("sm_90"), compiled once in a process: a target and its source want the
  /// same.
  std::vector<char> compiled(const std::string& architecture,
                             const std::vector<std::string>& definitions) const;

 private:
  DriverLibrary();
  std::vector<char> compile(const std::string& architecture,
                            const std::vector<std::string>& definitions) const;
};

}  // namespace hire_snn::cuda
