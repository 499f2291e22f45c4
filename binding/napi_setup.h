#pragma once

// Every file that talks to Node includes this instead of napi.h, so that all agree on how it is configured
// (the macros themselves come from the build: see CMakeLists.txt and binding.gyp).
//
// NODE_ADDON_API_CPP_EXCEPTIONS_ALL: a C++ exception that leaves a callback becomes a JavaScript one,
// whatever its type, instead of ending the process. NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS: a worker that is
// terminated while work is in flight cannot take exceptions any more; they are dropped, since nobody is left
// to hear of them.
#include <napi.h>

#if !defined(NODE_ADDON_API_CPP_EXCEPTIONS_ALL) || !defined(NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS)
#error "The build does not define how node-addon-api has to treat exceptions"
#endif
