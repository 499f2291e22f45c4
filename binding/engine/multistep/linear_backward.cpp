// The part of BackwardPass for layers with one output pixel, whose weights are each read for one input alone:
// linear layers. They have nearly all weights of a VGG, and their memory is what such a layer waits for.

#include <algorithm>

#include "pass.h"
#include "thread_team.h"

namespace hire_snn {
namespace {

/// Fetches the tensors of a block of weights into the second-level cache, a part at a time.
class Prefetcher {
 public:
  /// @param floats of each tensor
  /// @param parts in which they are fetched
  Prefetcher(std::int64_t floats, std::int64_t parts)
      : floats_(floats), step_((floats / kLine + parts - 1) / parts * kLine) {}

  void add(const float* tensor) { tensors_[count_++] = tensor; }

  void advance() {
    const std::int64_t end = std::min(next_ + step_, floats_);
    for (int i = 0; i < count_; ++i) {
      for (std::int64_t at = next_; at < end; at += kLine) __builtin_prefetch(tensors_[i] + at, 0, 2);
    }
    next_ = end;
  }

 private:
  static constexpr std::int64_t kLine = 64 / sizeof(float);

  const float* tensors_[1 + kMoments];
  int count_ = 0;
  std::int64_t floats_;
  std::int64_t step_;
  std::int64_t next_ = 0;
};

}  // namespace

bool has_one_output(const Stage& stage, const Synapse& synapse) {
  return stage.pixels() == 1 && synapse.connections.taps == synapse.connections.input_pixels;
}

/// One pass over the memory of the weights: of each block of them its products and, in training, its
/// gradients, which never leave the cache, and its update. What the next block needs is fetched meanwhile.
void BackwardPass::linear(std::size_t index, std::size_t which, bool last) {
  const Stage& stage = engine_.stages.stages[index];
  const Synapse& synapse = stage.synapses[which];
  const StageState& state = workspace_.stages[index];
  const PackedWeights& weights = *synapse.weights;
  WeightUpdate* const update = gradients_ == nullptr ? nullptr : gradients_->updates[index][which];
  const std::int64_t timesteps = engine_.plan.timesteps;
  const std::int64_t rows_per_block = images_ * timesteps;
  const std::int64_t number = chunks(weights.inputs);
  const std::int64_t units = synapse.connections.taps * number;

  std::vector<std::int64_t> places;     // of the rows that are not zero throughout
  std::vector<std::int64_t> first_row;  // of the images, and the end
  for (std::int64_t image = 0; image < images_; ++image) {
    first_row.push_back(static_cast<std::int64_t>(places.size()));
    for (std::int64_t t = state.first_active[static_cast<std::size_t>(image)]; t < timesteps; ++t) {
      places.push_back(image * timesteps + t);
    }
  }
  first_row.push_back(static_cast<std::int64_t>(places.size()));
  FactorLists& lists = workspace_.factor_lists;
  lists.build(state.values.data(), stage.output_blocks(), rows_per_block, places, engine_.threads);
  WeightGradientTask inputs{};
  if (update != nullptr) inputs = list_inputs(index, which);
  const auto add_gradient =
      synapse.pooled ? engine_.kernels.mean_weight_gradient : engine_.kernels.spike_weight_gradient;
  std::vector<double> squares(static_cast<std::size_t>(units), 0.0);
  for (WorkerScratch& scratch : workspace_.workers) {
    scratch.sums.reserve(kChunk * rows_per_block);
    scratch.columns.reserve(kChunk * kBlock);
    scratch.gradients.reserve(kChunk * kBlock);
  }

  ThreadTeam::shared().run(units, engine_.threads, [&](std::int64_t unit, int worker) {
    WorkerScratch& scratch = workspace_.workers[static_cast<std::size_t>(worker)];
    const std::int64_t tap = unit / number;
    const std::int64_t chunk = unit % number;
    const std::int64_t width = std::min(kChunk, weights.inputs - chunk * kChunk);
    const std::int64_t size = width * kBlock;
    const std::int64_t half_size = rows_per_block * kBlock;
    float* const by_inputs = scratch.sums.data();  // [block of inputs][image][timestep][kBlock]
    float* const columns = scratch.columns.data();
    std::fill_n(by_inputs, width * rows_per_block, 0.0F);
    scratch.factors.clear();
    scratch.results.clear();
    for (const std::int64_t place : places) {
      scratch.factors.push_back(state.values.data() + place * kBlock);
      scratch.results.push_back(by_inputs + place * kBlock);
    }
    FactorTask products{};
    products.factors = lists.factors();
    products.result_stride = half_size;
    products.columns = columns;
    products.column_blocks = width / kBlock;
    WeightGradientTask gradient = inputs;
    gradient.weights = scratch.gradients.data();
    gradient.chunk = chunk;
    gradient.first_tap = tap;
    gradient.last_tap = tap + 1;

    for (std::int64_t block = 0; block < stage.output_blocks(); ++block) {
      const std::int64_t at = block * weights.per_block() + (tap * weights.inputs + chunk * kChunk) * kBlock;
      for (std::int64_t half = 0; half < width / kBlock; ++half) {
        engine_.kernels.transpose_block(weights.values.data() + at + half * kBlock * kBlock,
                                        columns + half * kBlock * kBlock);
      }
      Prefetcher following(size, images_);
      if (block + 1 < stage.output_blocks()) {
        following.add(weights.values.data() + at + weights.per_block());
        for (std::size_t i = 0; update != nullptr && i < kMoments; ++i) {
          if (update->moments[i]) following.add(update->moments[i] + at + weights.per_block());
        }
      }
      gradient.gradients = state.values.data() + block * half_size;
      if (update != nullptr) std::fill_n(scratch.gradients.data(), size, 0.0F);
      for (std::int64_t image = 0; image < images_; ++image) {
        following.advance();
        const std::int64_t first = first_row[static_cast<std::size_t>(image)];
        const std::int64_t end = first_row[static_cast<std::size_t>(image) + 1];
        if (lists.sparse()) {
          products.offsets = lists.offsets(block) + first;
          products.results = scratch.results.data() + first;
          products.count = end - first;
          engine_.kernels.multiply_factors(products);
        }
        if (update != nullptr) {
          gradient.inputs.first = image;
          gradient.inputs.last = image + 1;
          add_gradient(gradient);
        }
      }
      if (!lists.sparse()) {
        for (std::int64_t half = 0; half < width / kBlock; ++half) {
          for (std::int64_t row = 0; row < first_row.back(); row += kRows) {
            engine_.kernels.multiply_rows(
                scratch.factors.data() + row, scratch.results.data() + row, columns + half * kBlock * kBlock,
                kBlock, static_cast<int>(std::min<std::int64_t>(kRows, first_row.back() - row)),
                /*accumulate=*/true);
          }
          for (float*& result : scratch.results) result += half_size;
        }
        for (float*& result : scratch.results) result -= width / kBlock * half_size;
        for (const float*& factor : scratch.factors) factor += half_size;
      }
      if (update != nullptr) {
        UpdateTask task;
        task.rule = update->rule;
        task.weights = update->weights + at;
        task.gradients = scratch.gradients.data();
        for (std::size_t i = 0; i < kMoments; ++i) {
          task.moments[i] = update->moments[i] ? update->moments[i] + at : nullptr;
        }
        task.count = width;
        squares[static_cast<std::size_t>(unit)] += engine_.kernels.update_weights(task);
      }
    }
    const std::int64_t pixel = synapse.connections.inputs[static_cast<std::size_t>(tap)];
    for (std::int64_t half = 0; half < width / kBlock; ++half) {
      for (std::int64_t image = 0; image < images_; ++image) {
        float* by_input = by_inputs + half * half_size + image * timesteps * kBlock;
        decay(index, image, by_input);
        deliver(synapse, last, chunk * (kChunk / kBlock) + half, image, pixel, by_input, scratch);
      }
    }
  });
  if (update == nullptr) return;
  update->squares = 0;
  for (const double sum : squares) update->squares += sum;
}

}  // namespace hire_snn
