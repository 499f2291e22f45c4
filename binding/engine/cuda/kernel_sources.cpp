#include "kernel_sources.h"

#if !defined(HIRE_SNN_ENGINE_FOLDER)
#error "The build has to say where binding/engine is: -DHIRE_SNN_ENGINE_FOLDER"
#endif

// The assembler puts the files' bytes into this object file, each with a symbol at its ends.
#define HIRE_SNN_EMBED(symbol, file)                                                                        \
  __asm__(".section .rodata\n" #symbol "_begin:\n.incbin \"" HIRE_SNN_ENGINE_FOLDER "/" file "\"\n" #symbol \
          "_end:\n.previous\n");                                                                            \
  extern "C" const char symbol##_begin[], symbol##_end[];

#if defined(__linux__)
HIRE_SNN_EMBED(hire_snn_kernels_cu, "cuda/kernels/kernels.cu")
HIRE_SNN_EMBED(hire_snn_simt_cuda_h, "cuda/kernels/simt_cuda.h")
HIRE_SNN_EMBED(hire_snn_parameters_h, "cuda/kernels/parameters.h")
HIRE_SNN_EMBED(hire_snn_neurons_h, "cuda/kernels/neurons.h")
HIRE_SNN_EMBED(hire_snn_products_h, "cuda/kernels/products.h")
HIRE_SNN_EMBED(hire_snn_images_h, "cuda/kernels/images.h")
HIRE_SNN_EMBED(hire_snn_neuron_step_h, "neuron_step.h")
HIRE_SNN_EMBED(hire_snn_surrogate_value_h, "surrogate_value.h")
HIRE_SNN_EMBED(hire_snn_host_device_h, "host_device.h")
#endif

namespace hire_snn::cuda {

std::vector<SourceFile> kernel_sources() {
#if defined(__linux__)
#define HIRE_SNN_SOURCE(name, symbol)                                                 \
  SourceFile {                                                                        \
    name, { symbol##_begin, static_cast<std::size_t>(symbol##_end - symbol##_begin) } \
  }
  return {
      HIRE_SNN_SOURCE("kernels.cu", hire_snn_kernels_cu),
      HIRE_SNN_SOURCE("simt_cuda.h", hire_snn_simt_cuda_h),
      HIRE_SNN_SOURCE("parameters.h", hire_snn_parameters_h),
      HIRE_SNN_SOURCE("neurons.h", hire_snn_neurons_h),
      HIRE_SNN_SOURCE("products.h", hire_snn_products_h),
      HIRE_SNN_SOURCE("images.h", hire_snn_images_h),
      HIRE_SNN_SOURCE("engine/neuron_step.h", hire_snn_neuron_step_h),
      HIRE_SNN_SOURCE("surrogate_value.h", hire_snn_surrogate_value_h),
      HIRE_SNN_SOURCE("host_device.h", hire_snn_host_device_h),
  };
#undef HIRE_SNN_SOURCE
#else
  return {};
#endif
}

}  // namespace hire_snn::cuda
