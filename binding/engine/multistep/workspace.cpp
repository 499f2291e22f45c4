#include "workspace.h"

namespace hire_snn {

std::int64_t Workspace::bytes() const {
  std::int64_t sum = image.bytes() + image_gradient.bytes() + lists.bytes() + levels.bytes() +
                     winograd.bytes() + digit_rows.bytes() + factor_lists.bytes();
  for (const auto& of_stage : kept_lists) {
    for (const EventLists& of_synapse : of_stage) sum += of_synapse.bytes();
  }
  for (const StageState& stage : stages) {
    sum += stage.bits.bytes() + stage.values.bytes() + stage.by_spikes.bytes() + stage.by_means.bytes() +
           stage.kept.bytes() + stage.scalar_sums.bytes();
  }
  for (const WorkerScratch& worker : workers) {
    sum += worker.sums.bytes() + worker.patch.bytes() + worker.neurons.bytes() + worker.membrane.bytes() +
           worker.transformed.bytes() + worker.columns.bytes() + worker.gradients.bytes();
  }
  return sum;
}

}  // namespace hire_snn
