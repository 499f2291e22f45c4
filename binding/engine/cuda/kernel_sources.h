#pragma once

#include <string_view>
#include <vector>

namespace hire_snn::cuda {

struct SourceFile {
  const char* name;  ///< as #include names it
  std::string_view text;
};

/// The files of kernels/ and what they include, as they were when this was built: the kernels are compiled on
/// the machine that runs them. The first is the one that includes the others.
std::vector<SourceFile> kernel_sources();

}  // namespace hire_snn::cuda
