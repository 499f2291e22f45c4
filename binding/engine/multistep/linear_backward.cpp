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

/// A layer, and what its units of work have in common.
struct LinearLayer {
  const Kernels& kernels;
  bool pooled;
  const PackedWeights& weights;
  const float* gradients;  ///< by the sums: [block][image][timestep][kBlock]
  const FactorLists& lists;
  std::int64_t blocks;
  std::int64_t images;
  std::int64_t rows_per_block;
  std::vector<std::int64_t> places;     ///< of the rows that are not zero throughout
  std::vector<std::int64_t> first_row;  ///< of the images, and the end
  WeightUpdate* update;                 ///< or null
  WeightGradientTask inputs;            ///< if there is an update

  std::int64_t chunks_per_tap() const { return chunks(weights.inputs); }
  /// Floats from the gradients of one block to those of the next; by the sums as by the inputs.
  std::int64_t block_size() const { return rows_per_block * kBlock; }
};

/// The inputs of one tap and chunk: a band of the weights.
class LinearBand {
 public:
  LinearBand(const LinearLayer& layer, std::int64_t unit, WorkerScratch& scratch)
      : layer_(layer),
        scratch_(scratch),
        tap_(unit / layer.chunks_per_tap()),
        chunk_(unit % layer.chunks_per_tap()),
        width_(std::min(kChunk, layer.weights.inputs - chunk_ * kChunk)) {
    std::fill_n(by_inputs(), width_ * layer.rows_per_block, 0.0F);
    scratch.results.clear();
    for (const std::int64_t place : layer.places) scratch.results.push_back(by_inputs() + place * kBlock);
  }

  std::int64_t tap() const { return tap_; }
  std::int64_t first_input_block() const { return chunk_ * (kChunk / kBlock); }
  std::int64_t input_blocks() const { return width_ / kBlock; }
  /// The gradients by the inputs: [block of inputs][image][timestep][kBlock].
  float* by_inputs() const { return scratch_.sums.data(); }

  /// Adds what one block of outputs contributes to by_inputs(), and changes its weights.
  /// @returns the sum of the squares of the gradients by the weights, if they are changed
  double block(std::int64_t block) {
    transpose(block);
    Prefetcher following(width_ * kBlock, layer_.images);
    if (block + 1 < layer_.blocks) fetch(following, at(block + 1));
    WeightGradientTask gradient = layer_.inputs;
    gradient.weights = scratch_.gradients.data();
    gradient.gradients = layer_.gradients + block * layer_.block_size();
    gradient.chunk = chunk_;
    gradient.first_tap = tap_;
    gradient.last_tap = tap_ + 1;
    const auto add_gradient =
        layer_.pooled ? layer_.kernels.mean_weight_gradient : layer_.kernels.spike_weight_gradient;
    if (layer_.update) std::fill_n(gradient.weights, width_ * kBlock, 0.0F);
    for (std::int64_t image = 0; image < layer_.images; ++image) {
      following.advance();
      multiply(block, image);
      if (!layer_.update) continue;
      gradient.inputs.first = image;
      gradient.inputs.last = image + 1;
      add_gradient(gradient);
    }
    return layer_.update ? change(block) : 0;
  }

 private:
  std::int64_t at(std::int64_t block) const {
    return block * layer_.weights.per_block() + (tap_ * layer_.weights.inputs + chunk_ * kChunk) * kBlock;
  }

  void fetch(Prefetcher& prefetcher, std::int64_t from) const {
    prefetcher.add(layer_.weights.values.data() + from);
    if (!layer_.update) return;
    for (const float* moment : layer_.update->moments) {
      if (moment) prefetcher.add(moment + from);
    }
  }

  void transpose(std::int64_t block) {
    for (std::int64_t part = 0; part < input_blocks(); ++part) {
      const std::int64_t size = kBlock * kBlock;
      layer_.kernels.transpose_block(layer_.weights.values.data() + at(block) + part * size,
                                     scratch_.columns.data() + part * size);
    }
  }

  void multiply(std::int64_t block, std::int64_t image) {
    const std::int64_t first = layer_.first_row[static_cast<std::size_t>(image)];
    FactorTask task;
    task.factors = layer_.lists.factors();
    task.offsets = layer_.lists.offsets(block) + first;
    task.count = layer_.first_row[static_cast<std::size_t>(image) + 1] - first;
    task.results = scratch_.results.data() + first;
    task.result_stride = layer_.block_size();
    task.columns = scratch_.columns.data();
    task.column_blocks = input_blocks();
    layer_.kernels.multiply_factors(task);
  }

  double change(std::int64_t block) {
    UpdateTask task;
    task.rule = layer_.update->rule;
    task.weights = layer_.update->weights + at(block);
    task.gradients = scratch_.gradients.data();
    for (std::size_t i = 0; i < kMoments; ++i) {
      float* moment = layer_.update->moments[i];
      task.moments[i] = moment ? moment + at(block) : nullptr;
    }
    task.count = width_;
    return layer_.kernels.update_weights(task);
  }

  const LinearLayer& layer_;
  WorkerScratch& scratch_;
  std::int64_t tap_;
  std::int64_t chunk_;
  std::int64_t width_;  // inputs
};

}  // namespace

bool has_one_output(const Stage& stage, const Synapse& synapse) {
  const auto& inputs = synapse.connections.inputs;
  return stage.pixels() == 1 && synapse.connections.taps == synapse.connections.input_pixels &&
         std::none_of(inputs.begin(), inputs.end(), [](std::int32_t pixel) { return pixel < 0; });
}

/// One pass over the memory of the weights: of each block of them its products and, in training, its
/// gradients, which never leave the cache, and its update. What the next block needs is fetched meanwhile.
void BackwardPass::linear(std::size_t index, std::size_t which, bool last) {
  const Stage& stage = engine_.stages.stages[index];
  const Synapse& synapse = stage.synapses[which];
  const StageState& state = workspace_.stages[index];
  const std::int64_t timesteps = engine_.plan.timesteps;
  WeightUpdate* const update = gradients_ == nullptr ? nullptr : gradients_->updates[index][which];
  FactorLists& lists = workspace_.factor_lists;
  LinearLayer layer{.kernels = engine_.kernels,
                    .pooled = synapse.pooled,
                    .weights = *synapse.weights,
                    .gradients = state.values.data(),
                    .lists = lists,
                    .blocks = stage.output_blocks(),
                    .images = images_,
                    .rows_per_block = images_ * timesteps,
                    .places = {},
                    .first_row = {},
                    .update = update,
                    .inputs = {}};
  for (std::int64_t image = 0; image < images_; ++image) {
    layer.first_row.push_back(static_cast<std::int64_t>(layer.places.size()));
    for (std::int64_t t = state.first_active[static_cast<std::size_t>(image)]; t < timesteps; ++t) {
      layer.places.push_back(image * timesteps + t);
    }
  }
  layer.first_row.push_back(static_cast<std::int64_t>(layer.places.size()));
  lists.build(layer.gradients, layer.blocks, layer.rows_per_block, layer.places, engine_.threads);
  if (update != nullptr) layer.inputs = weight_gradient_task(index, which);
  for (WorkerScratch& scratch : workspace_.workers) {
    scratch.sums.reserve(kChunk * layer.rows_per_block);
    scratch.columns.reserve(kChunk * kBlock);
    scratch.gradients.reserve(kChunk * kBlock);
  }

  const std::int64_t bands = synapse.connections.taps * layer.chunks_per_tap();
  std::vector<double> squares(static_cast<std::size_t>(bands), 0.0);
  ThreadTeam::shared().run(bands, engine_.threads, [&](std::int64_t unit, int worker) {
    WorkerScratch& scratch = workspace_.workers[static_cast<std::size_t>(worker)];
    LinearBand band(layer, unit, scratch);
    for (std::int64_t block = 0; block < layer.blocks; ++block) {
      squares[static_cast<std::size_t>(unit)] += band.block(block);
    }
    const std::int64_t pixel = synapse.connections.inputs[static_cast<std::size_t>(band.tap())];
    for (std::int64_t part = 0; part < band.input_blocks(); ++part) {
      for (std::int64_t image = 0; image < images_; ++image) {
        float* by_input = band.by_inputs() + part * layer.block_size() + image * timesteps * kBlock;
        decay(index, image, by_input);
        deliver(synapse, last, band.first_input_block() + part, image, pixel, by_input, scratch);
      }
    }
  });
  if (update == nullptr) return;
  update->squares = 0;
  for (const double sum : squares) update->squares += sum;
}

}  // namespace hire_snn
