# Language level, optimisation, warnings and linker flags of all our targets: hire_snn::settings.

set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# Hidden symbols, also at link time of libtorch's inline functions: two addons in one process must not share them.
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_library(hire_snn_settings INTERFACE)
add_library(hire_snn::settings ALIAS hire_snn_settings)
target_compile_features(hire_snn_settings INTERFACE cxx_std_20) # libtorch 2.14 refuses less.
target_compile_options(hire_snn_settings INTERFACE
  -O3
  # a * b + c must not become one rounding on some machines and two on others: spikes are threshold decisions.
  -ffp-contract=off
  -Wall -Wextra -Wpedantic)

# "address,undefined": for scripts/test-sanitized.mjs.
set(HIRE_SNN_SANITIZE "" CACHE STRING "Sanitizers to compile with, separated by commas")
if(HIRE_SNN_SANITIZE)
  target_compile_options(hire_snn_settings INTERFACE
    -fsanitize=${HIRE_SNN_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  target_link_options(hire_snn_settings INTERFACE -fsanitize=${HIRE_SNN_SANITIZE})
endif()

if(NOT APPLE)
  target_link_options(hire_snn_settings INTERFACE
    # libtorch's threads and thread-local destructors outlive a worker's addon; unmapping their code would crash.
    -Wl,-z,nodelete
    # RPATH rather than RUNPATH: libtorch beside LD_LIBRARY_PATH's is the one the addon was compiled against.
    -Wl,--disable-new-dtags
    # Kernels register when their library is loaded, also where no symbol of it is used by name.
    -Wl,--no-as-needed)
endif()
