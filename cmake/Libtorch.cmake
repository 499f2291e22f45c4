# The libtorch that the set-up chose, as imported targets of our own: libtorch::libtorch.
#
# find_package(Torch) is not used. On a CUDA build of libtorch it demands the CUDA toolkit, it mixes in an older libtorch
# of the system where there is one, and it leaves folders of the build machine in the RPATH.
#
# Inputs, all given by scripts/setup/build-addon.mjs:
#   LIBTORCH_ROOT     the folder with include/ (a libtorch, or the `torch` folder of a Python package)
#   LIBTORCH_VERSION  its version, such as 2.13.0+cpu
#   LIBTORCH_LIB_DIR  the folder of its libraries
#   LIBTORCH_OPENMP   the OpenMP runtime that libtorch_cpu itself loads; may be empty

foreach(input LIBTORCH_ROOT LIBTORCH_VERSION LIBTORCH_LIB_DIR)
  if(NOT ${input})
    message(FATAL_ERROR "${input} is not set: it is passed by the set-up, which finds or fetches libtorch.")
  endif()
endforeach()

message(STATUS "libtorch ${LIBTORCH_VERSION} in ${LIBTORCH_ROOT}")

function(hire_snn_import_libtorch name)
  # Full paths, never -l: with -l the linker could take another libtorch from its default folders.
  set(path "${LIBTORCH_LIB_DIR}/${CMAKE_SHARED_LIBRARY_PREFIX}${name}${CMAKE_SHARED_LIBRARY_SUFFIX}")
  if(NOT EXISTS "${path}")
    message(FATAL_ERROR "libtorch is incomplete: expected ${path}, which does not exist.")
  endif()
  add_library(libtorch::${name} SHARED IMPORTED)
  set_target_properties(libtorch::${name} PROPERTIES IMPORTED_LOCATION "${path}")
endfunction()

hire_snn_import_libtorch(c10)
hire_snn_import_libtorch(torch_cpu)
hire_snn_import_libtorch(torch)

add_library(libtorch::libtorch INTERFACE IMPORTED)
# Include folders of imported targets count as system folders: no warnings from libtorch's headers.
target_include_directories(libtorch::libtorch INTERFACE
  "${LIBTORCH_ROOT}/include"
  "${LIBTORCH_ROOT}/include/torch/csrc/api/include")
target_link_libraries(libtorch::libtorch INTERFACE libtorch::torch libtorch::torch_cpu libtorch::c10)

# at::parallel_for is a template: in a file compiled without OpenMP it is silently serial. So OpenMP is on, but its
# runtime is the very file that libtorch_cpu loads; a second runtime would bring a second pool of threads.
if(LIBTORCH_OPENMP)
  if(APPLE)
    target_compile_options(libtorch::libtorch INTERFACE -Xpreprocessor -fopenmp)
  else()
    target_compile_options(libtorch::libtorch INTERFACE -fopenmp)
  endif()
  add_library(libtorch::openmp SHARED IMPORTED)
  set_target_properties(libtorch::openmp PROPERTIES IMPORTED_LOCATION "${LIBTORCH_OPENMP}")
  target_link_libraries(libtorch::libtorch INTERFACE libtorch::openmp)
else()
  message(STATUS "No OpenMP runtime of libtorch found: at::parallel_for in the addon's own code is serial.")
endif()
