# Run after linking: the addon must load exactly one libc10, that of the chosen libtorch, and one OpenMP runtime.
# Two versions of libtorch in one process corrupt memory instead of failing, so the build fails here.
#
# Inputs: ADDON, LIBTORCH_LIB_DIR.
cmake_policy(SET CMP0057 NEW) # if(IN_LIST)

file(GET_RUNTIME_DEPENDENCIES
  LIBRARIES "${ADDON}"
  RESOLVED_DEPENDENCIES_VAR resolved
  UNRESOLVED_DEPENDENCIES_VAR unresolved
  CONFLICTING_DEPENDENCIES_PREFIX conflicting)

set(c10_found "")
set(openmp_found "")
foreach(path IN LISTS resolved conflicting_libc10.so conflicting_libc10.dylib)
  get_filename_component(name "${path}" NAME)
  # The real path: a folder may be reached by a link.
  get_filename_component(real "${path}" REALPATH)
  if(name MATCHES "^libc10\\.(so|dylib)")
    list(APPEND c10_found "${real}")
  elseif(name MATCHES "^lib(gomp|omp|iomp5)[-.]")
    list(APPEND openmp_found "${real}")
  endif()
endforeach()
list(REMOVE_DUPLICATES c10_found)
list(REMOVE_DUPLICATES openmp_found)

get_filename_component(lib_dir "${LIBTORCH_LIB_DIR}" REALPATH)
list(LENGTH c10_found c10_count)
if(NOT c10_count EQUAL 1)
  message(FATAL_ERROR
    "The addon must load exactly one libc10, from ${lib_dir}; it would load ${c10_count}: ${c10_found}\n"
    "Unresolved: ${unresolved}\n"
    "Remove the other libtorch from LD_LIBRARY_PATH (or DYLD_LIBRARY_PATH) and run the set-up again.")
endif()
get_filename_component(c10_dir "${c10_found}" DIRECTORY)
if(NOT c10_dir STREQUAL lib_dir)
  message(FATAL_ERROR
    "The addon was compiled against the libtorch in ${lib_dir} but would load ${c10_found}.\n"
    "Remove that folder from LD_LIBRARY_PATH (or DYLD_LIBRARY_PATH) and run the set-up again.")
endif()

list(LENGTH openmp_found openmp_count)
if(openmp_count GREATER 1)
  message(FATAL_ERROR "The addon would load ${openmp_count} OpenMP runtimes, expected one: ${openmp_found}")
endif()
