// All kernels of the CUDA engine. CUDA's run-time compiler makes them for the device at hand, with the surrogate as
// constants: -DHIRE_SNN_SURROGATE_SHAPE=..., -DHIRE_SNN_SURROGATE_SCALE=..., and -DHIRE_SNN_SPLIT=true, or false for
// products as rounded as TF32's.
#include "simt_cuda.h"

#include "neurons.h"
#include "products.h"
#include "images.h"

namespace hire_snn::cuda {

HIRE_SNN_KERNEL multiply_levels(const ProductParameters p) { multiply_rows<LevelOperand<HIRE_SNN_SPLIT>>(p); }
HIRE_SNN_KERNEL multiply_gradients(const ProductParameters p) {
  multiply_rows<GradientOperand<HIRE_SNN_SPLIT>>(p);
}
HIRE_SNN_KERNEL fire(const FireParameters p) { fire_neurons(p); }
HIRE_SNN_KERNEL pool(const PoolParameters p) { pool_levels(p); }
HIRE_SNN_KERNEL count_reached(const ReachParameters p) { add_reached(p); }
HIRE_SNN_KERNEL image_currents(const ImageCurrentsParameters p) { weigh_images(p); }
HIRE_SNN_KERNEL logits(const LogitsParameters p) { add_logits(p); }
HIRE_SNN_KERNEL neuron_gradients(const NeuronGradientParameters p) {
  differentiate_neurons<static_cast<SurrogateShape>(HIRE_SNN_SURROGATE_SHAPE),
                        static_cast<SurrogateScale>(HIRE_SNN_SURROGATE_SCALE)>(p);
}
HIRE_SNN_KERNEL image_gradient(const ImageGradientParameters p) { differentiate_images(p); }

}  // namespace hire_snn::cuda
