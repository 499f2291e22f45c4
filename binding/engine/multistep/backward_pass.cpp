#include <algorithm>
#include <atomic>
#include <chrono>

#include "pass.h"
#include "thread_team.h"

namespace hire_snn {
namespace {

/// Rows of a layer's input gradient that are computed together.
constexpr std::int64_t kTileRows = 1024;

void lower(std::int64_t& value, std::int64_t candidate) {
  std::atomic_ref<std::int64_t> shared(value);
  std::int64_t seen = shared.load(std::memory_order_relaxed);
  while (candidate < seen && !shared.compare_exchange_weak(seen, candidate, std::memory_order_relaxed)) {
  }
}

}  // namespace

BackwardPass::BackwardPass(const Engine& engine, Workspace& workspace, std::int64_t images,
                           ParameterGradients* gradients)
    : engine_(engine), workspace_(workspace), images_(images), gradients_(gradients) {}

void BackwardPass::run(const float* logit_gradient, const Cancellation& cancellation, bool by_image) {
  start(logit_gradient);
  const auto& stages = engine_.stages.stages;
  for (std::size_t i = stages.size() - 1; i > 0; --i) {
    cancellation.check();
    const auto start = std::chrono::steady_clock::now();
    // A shortcut starts before the layer in front of it, so that the synapse from the stage before is the
    // last to deliver to its source: it runs the source's neurons too.
    const auto& synapses = stages[i].synapses;
    for (std::size_t s = synapses.size(); s-- > 0;) synapse(i, s, /*last=*/s == 0);
    if (gradients_ != nullptr) sum_scalars(i - 1);
    workspace_.stages[i].backward_seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  cancellation.check();
  const auto before = std::chrono::steady_clock::now();
  if (gradients_ != nullptr) image_weight_gradient();
  if (by_image) image_gradient();
  workspace_.stages[0].backward_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
}

void BackwardPass::start(const float* logit_gradient) {
  const auto& stages = engine_.stages.stages;
  const std::int64_t timesteps = engine_.plan.timesteps;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    std::fill(workspace_.stages[i].first_active.begin(), workspace_.stages[i].first_active.end(), timesteps);
    for (const Synapse& synapse : stages[i].synapses) {
      if (&synapse == &stages[i].synapses.front()) continue;
      StageState& source = workspace_.stages[synapse.source];
      const std::int64_t size =
          synapse.input_blocks() * images_ * synapse.input[1] * synapse.input[2] * timesteps * kBlock;
      std::fill_n((synapse.pooled ? source.by_means : source.by_spikes).reserve(size), size, 0.0F);
    }
  }
  // The output layer is an integrator without leak: its gradient is the same at every time step, which is
  // what a decay by 1 from the last one gives.
  StageState& output = workspace_.stages.back();
  std::fill(output.first_active.begin(), output.first_active.end(), timesteps - 1);
  const std::int64_t classes = engine_.plan.classes();
  for (std::int64_t block = 0; block < blocks(classes); ++block) {
    for (std::int64_t image = 0; image < images_; ++image) {
      float* rows = output.values.data() + (block * images_ + image) * timesteps * kBlock;
      // Gradients of weights read all rows, others the last one.
      for (std::int64_t t = gradients_ != nullptr ? 0 : timesteps - 1; t < timesteps; ++t) {
        for (std::int64_t lane = 0; lane < kBlock; ++lane) {
          const std::int64_t j = block * kBlock + lane;
          rows[t * kBlock + lane] = j < classes ? logit_gradient[image * classes + j] : 0.0F;
        }
      }
    }
  }
  for (std::size_t i = 0; i + 1 < stages.size(); ++i) {
    StageState& state = workspace_.stages[i];
    if (trains(state))
      state.scalar_sums.reserve(2 * stages[i].output_blocks() * images_ * stages[i].pixels());
  }
  for (WorkerScratch& worker : workspace_.workers) {
    worker.sums.reserve(std::max({kTileRows, images_ * timesteps, kTile * kTile * timesteps}) * kBlock);
    worker.patch.reserve(std::max(kBlock, timesteps) * kBlock);
    worker.neurons.reserve(timesteps * kBlock);
    worker.membrane.reserve(timesteps * kBlock);
    worker.spikes.reserve(timesteps);
  }
}

void BackwardPass::synapse(std::size_t index, std::size_t which, bool last) {
  const Stage& stage = engine_.stages.stages[index];
  const Synapse& synapse = stage.synapses[which];
  if (gradients_ != nullptr && !synapse.copies && gradients_->updates[index][which] == nullptr) {
    weight_gradient(index, which);
  }
  if (synapse.copies) {
    copy(index, synapse);
  } else if (synapse.backward) {
    winograd(index, synapse, last);
  } else if (synapse.turned) {
    digit_products(index, synapse, last);
  } else if (has_one_output(stage, synapse)) {
    linear(index, which, last);
  } else {
    products(index, synapse, last);
  }
  if (last) unpooled_pixels(synapse);
}

/// Before a stage's first active time step, the gradient by its currents only decays, and with it what
/// follows from it: fills in those steps.
/// @param gradient [timestep][kBlock]
void BackwardPass::decay(std::size_t index, std::int64_t image, float* gradient) const {
  const std::int64_t timesteps = engine_.plan.timesteps;
  const std::int64_t first = workspace_.stages[index].first_active[static_cast<std::size_t>(image)];
  const float leak = engine_.stages.stages[index].leak;
  if (first == timesteps) std::fill_n(gradient, timesteps * kBlock, 0.0F);
  for (std::int64_t t = std::min(first, timesteps - 1) - 1; t >= 0; --t) {
    for (std::int64_t i = 0; i < kBlock; ++i)
      gradient[t * kBlock + i] = leak * gradient[(t + 1) * kBlock + i];
  }
}

void BackwardPass::winograd(std::size_t index, const Synapse& synapse, bool last) {
  const Stage& stage = engine_.stages.stages[index];
  const StageState& state = workspace_.stages[index];
  const std::int64_t timesteps = engine_.plan.timesteps;
  const std::int64_t pixels = stage.pixels();
  const WinogradTiles tiles(stage.output[1], stage.output[2]);
  const WinogradWeights& weights = *synapse.backward;
  WinogradProducts& products = workspace_.winograd;
  const auto first_active = [&](std::int64_t image) {
    return state.first_active[static_cast<std::size_t>(image)];
  };

  const std::int64_t most_rows =
      std::max(WinogradProducts::rows_that_fit(weights), tiles.count() * timesteps);
  std::vector<std::int64_t> first_row;  // of the images of the group, and the end
  for (std::int64_t first = 0, next = 0; first < images_; first = next) {
    first_row.assign(1, 0);
    for (next = first; next < images_; ++next) {
      const std::int64_t rows = tiles.count() * (timesteps - first_active(next));
      if (first_row.back() + rows > most_rows) break;
      first_row.push_back(first_row.back() + rows);
    }
    const std::int64_t images = next - first;
    const std::int64_t rows = first_row.back();
    products.reserve(weights, rows);
    if (weights.digits) {
      for (WorkerScratch& scratch : workspace_.workers)
        scratch.transformed.reserve(kPositions * weights.inputs);
    }
    const auto row_of = [&](std::int64_t image, std::int64_t tile) {
      return first_row[static_cast<std::size_t>(image - first)] + tile * (timesteps - first_active(image));
    };

    ThreadTeam::shared().run(images * tiles.count(), engine_.threads, [&](std::int64_t unit, int worker) {
      WorkerScratch& scratch = workspace_.workers[static_cast<std::size_t>(worker)];
      float* zeros = scratch.patch.data();
      const std::int64_t image = first + unit / tiles.count();
      const std::int64_t tile = unit % tiles.count();
      const std::int64_t start = first_active(image);
      if (start == timesteps) return;
      std::fill_n(zeros, timesteps * kBlock, 0.0F);
      std::int64_t patch[kPositions];
      tiles.patch(tile, patch);
      std::vector<const float*>& pointers = scratch.factors;  // [block][position]
      pointers.clear();
      for (std::int64_t block = 0; block < stage.output_blocks(); ++block) {
        const float* from = state.values.data() + (block * images_ + image) * pixels * timesteps * kBlock;
        for (const std::int64_t pixel : patch) {
          pointers.push_back(pixel < 0 ? zeros : from + pixel * timesteps * kBlock);
        }
      }
      const auto transform = [&](std::int64_t block, std::int64_t t, float* to, std::int64_t stride) {
        engine_.kernels.winograd_input(pointers.data() + block * kPositions, t * kBlock, to, stride);
      };
      const std::int64_t first_row_of_tile = row_of(image, tile) - start;
      if (weights.digits) {
        // All blocks of a row have one power of two.
        float* transformed = scratch.transformed.data();
        for (std::int64_t t = start; t < timesteps; ++t) {
          for (std::int64_t block = 0; block < stage.output_blocks(); ++block) {
            transform(block, t, transformed + block * kBlock, weights.inputs);
          }
          products.put(engine_.kernels, first_row_of_tile + t, transformed);
        }
        return;
      }
      for (std::int64_t block = 0; block < stage.output_blocks(); ++block) {
        for (std::int64_t t = start; t < timesteps; ++t) {
          transform(block, t, products.input(first_row_of_tile + t, block), products.input_position_stride());
        }
      }
    });
    products.multiply(engine_.kernels, weights, rows, engine_.threads);
    ThreadTeam::shared().run(
        images * tiles.count() * synapse.input_blocks(), engine_.threads, [&](std::int64_t unit, int worker) {
          WorkerScratch& scratch = workspace_.workers[static_cast<std::size_t>(worker)];
          const std::int64_t block = unit % synapse.input_blocks();
          const std::int64_t tile = unit / synapse.input_blocks() % tiles.count();
          const std::int64_t image = first + unit / synapse.input_blocks() / tiles.count();
          const std::int64_t start = first_active(image);
          float* gradients = scratch.sums.data();  // [pixel of the tile][timestep][kBlock]
          for (std::int64_t t = start; t < timesteps; ++t) {
            engine_.kernels.winograd_output(products.product(row_of(image, tile) + t - start, block),
                                            products.product_position_stride(), gradients + t * kBlock,
                                            timesteps * kBlock);
          }
          std::int64_t outputs[kTile * kTile];
          tiles.outputs(tile, outputs);
          for (int i = 0; i < kTile * kTile; ++i) {
            if (outputs[i] < 0) continue;
            float* gradient = gradients + i * timesteps * kBlock;
            decay(index, image, gradient);
            deliver(synapse, last, block, image, outputs[i], gradient, scratch);
          }
        });
  }
}

/// Any connections: for each tap, rows of the gradient by the sums times a block of weights.
void BackwardPass::products(std::size_t index, const Synapse& synapse, bool last) {
  const Stage& stage = engine_.stages.stages[index];
  const StageState& state = workspace_.stages[index];
  const Connections& connections = synapse.connections;
  const std::int64_t timesteps = engine_.plan.timesteps;
  const std::int64_t per_block = images_ * stage.pixels() * timesteps * kBlock;
  const std::int64_t group =
      std::max<std::int64_t>(1, kTileRows / (images_ * timesteps));  // pixels of a unit
  const std::int64_t groups = (connections.input_pixels + group - 1) / group;

  ThreadTeam::shared().run(
      groups * synapse.input_blocks(), engine_.threads, [&](std::int64_t unit, int worker) {
        WorkerScratch& scratch = workspace_.workers[static_cast<std::size_t>(worker)];
        const std::int64_t block = unit / groups;
        const std::int64_t first = unit % groups * group;
        const std::int64_t end = std::min(connections.input_pixels, first + group);
        float* gradients = scratch.sums.data();  // [pixel][image][timestep][kBlock]
        float* panel = scratch.patch.data();     // [output of the block][input of the block]
        std::fill_n(gradients, (end - first) * images_ * timesteps * kBlock, 0.0F);
        for (std::int64_t tap = 0; tap < connections.taps; ++tap) {
          scratch.factors.clear();
          scratch.results.clear();
          for (std::int64_t pixel = first; pixel < end; ++pixel) {
            const std::int64_t output =
                connections.outputs[static_cast<std::size_t>(tap * connections.input_pixels + pixel)];
            if (output < 0) continue;
            for (std::int64_t image = 0; image < images_; ++image) {
              for (std::int64_t t = state.first_active[static_cast<std::size_t>(image)]; t < timesteps; ++t) {
                scratch.factors.push_back(state.values.data() +
                                          ((image * stage.pixels() + output) * timesteps + t) * kBlock);
                scratch.results.push_back(gradients +
                                          (((pixel - first) * images_ + image) * timesteps + t) * kBlock);
              }
            }
          }
          if (scratch.factors.empty()) continue;
          for (std::int64_t from = 0; from < stage.output_blocks(); ++from) {
            engine_.kernels.transpose_block(synapse.weights->row(from, tap, block * kBlock), panel);
            for (std::size_t row = 0; row < scratch.factors.size(); row += kRows) {
              const auto rows = static_cast<int>(std::min<std::size_t>(kRows, scratch.factors.size() - row));
              engine_.kernels.multiply_rows(scratch.factors.data() + row, scratch.results.data() + row, panel,
                                            kBlock, rows, /*accumulate=*/true);
            }
            for (const float*& factor : scratch.factors) factor += per_block;
          }
        }
        for (std::int64_t pixel = first; pixel < end; ++pixel) {
          for (std::int64_t image = 0; image < images_; ++image) {
            float* gradient = gradients + ((pixel - first) * images_ + image) * timesteps * kBlock;
            decay(index, image, gradient);
            deliver(synapse, last, block, image, pixel, gradient, scratch);
          }
        }
      });
}

/// Linear layers in fixed point: rows of the gradient by the sums, one for each image and time step, times
/// blocks of weights.
void BackwardPass::digit_products(std::size_t index, const Synapse& synapse, bool last) {
  const Stage& stage = engine_.stages.stages[index];
  const StageState& state = workspace_.stages[index];
  const DigitWeights& weights = *synapse.turned;
  const std::int64_t timesteps = engine_.plan.timesteps;
  const std::int64_t factors = stage.output_blocks() * kBlock;
  const auto first_active = [&](std::int64_t image) {
    return state.first_active[static_cast<std::size_t>(image)];
  };
  std::vector<std::int64_t> first_row{0};  // of the images, and the end
  for (std::int64_t image = 0; image < images_; ++image) {
    first_row.push_back(first_row.back() + timesteps - first_active(image));
  }
  DigitRows& rows = workspace_.digit_rows;
  rows.reserve(first_row.back(), factors);
  for (WorkerScratch& scratch : workspace_.workers) {
    scratch.transformed.reserve(std::max(factors, first_row.back() * kBlock));
  }
  ThreadTeam::shared().run(images_, engine_.threads, [&](std::int64_t image, int worker) {
    float* row = workspace_.workers[static_cast<std::size_t>(worker)].transformed.data();
    for (std::int64_t t = first_active(image); t < timesteps; ++t) {
      for (std::int64_t block = 0; block < stage.output_blocks(); ++block) {
        std::copy_n(state.values.data() + ((block * images_ + image) * timesteps + t) * kBlock, kBlock,
                    row + block * kBlock);
      }
      rows.put(engine_.kernels, first_row[static_cast<std::size_t>(image)] + t - first_active(image), row);
    }
  });
  ThreadTeam::shared().run(synapse.connections.taps * synapse.input_blocks(), engine_.threads,
                           [&](std::int64_t unit, int worker) {
                             WorkerScratch& scratch = workspace_.workers[static_cast<std::size_t>(worker)];
                             DigitTask task;
                             rows.describe(task, 0, first_row.back());
                             task.weights = weights.block(unit);
                             task.column_scales = weights.scales(unit);
                             task.results = scratch.transformed.data();
                             task.result_stride = kBlock;
                             engine_.kernels.multiply_digits(task);
                             const std::int64_t pixel = unit / synapse.input_blocks();
                             const std::int64_t block = unit % synapse.input_blocks();
                             float* gradient = scratch.sums.data();
                             for (std::int64_t image = 0; image < images_; ++image) {
                               const std::int64_t start = first_active(image);
                               std::copy_n(task.results + first_row[static_cast<std::size_t>(image)] * kBlock,
                                           (timesteps - start) * kBlock, gradient + start * kBlock);
                               decay(index, image, gradient);
                               deliver(synapse, last, block, image, pixel, gradient, scratch);
                             }
                           });
}

/// A shortcut without weights.
void BackwardPass::copy(std::size_t index, const Synapse& synapse) {
  const Stage& stage = engine_.stages.stages[index];
  const StageState& state = workspace_.stages[index];
  const std::int64_t timesteps = engine_.plan.timesteps;
  ThreadTeam::shared().run(
      images_ * synapse.input_blocks(), engine_.threads, [&](std::int64_t unit, int worker) {
        WorkerScratch& scratch = workspace_.workers[static_cast<std::size_t>(worker)];
        const std::int64_t block = unit / images_;
        const std::int64_t image = unit % images_;
        for (std::int64_t pixel = 0; pixel < stage.pixels(); ++pixel) {
          const float* from =
              state.values.data() + ((block * images_ + image) * stage.pixels() + pixel) * timesteps * kBlock;
          std::copy_n(from, timesteps * kBlock, scratch.sums.data());
          decay(index, image, scratch.sums.data());
          deliver(synapse, /*last=*/false, block, image, pixel, scratch.sums.data(), scratch);
        }
      });
}

/// Hands in the gradient by one block of a synapse's input.
/// @param gradient [timestep][kBlock]
void BackwardPass::deliver(const Synapse& synapse, bool last, std::int64_t block, std::int64_t image,
                           std::int64_t pixel, float* gradient, WorkerScratch& scratch) {
  StageState& source = workspace_.stages[synapse.source];
  const std::int64_t size = engine_.plan.timesteps * kBlock;
  AlignedBuffer<float>& others = synapse.pooled ? source.by_means : source.by_spikes;
  if (!others.empty()) {
    const std::int64_t pixels = synapse.input[1] * synapse.input[2];
    float* sum = others.data() + ((block * images_ + image) * pixels + pixel) * size;
    float* to = last ? gradient : sum;
    for (std::int64_t i = 0; i < size; ++i) to[i] = sum[i] + gradient[i];
  }
  if (!last) return;
  if (!synapse.pooled) return neurons(synapse.source, block, image, pixel, gradient, 1.0F, scratch);
  const std::int64_t width = engine_.stages.stages[synapse.source].output[2];
  const std::int64_t at = pixel / synapse.input[2] * 2 * width + pixel % synapse.input[2] * 2;
  for (const std::int64_t neuron : {at, at + 1, at + width, at + width + 1}) {
    neurons(synapse.source, block, image, neuron, gradient, 0.25F, scratch);
  }
}

/// From the gradient by the spikes of one block of neurons to that by their currents.
void BackwardPass::neurons(std::size_t index, std::int64_t block, std::int64_t image, std::int64_t pixel,
                           const float* gradient, float scale, WorkerScratch& scratch) {
  const Stage& stage = engine_.stages.stages[index];
  StageState& state = workspace_.stages[index];
  const std::int64_t timesteps = engine_.plan.timesteps;
  const std::int64_t neuron = (block * images_ + image) * stage.pixels() + pixel;
  if (scale != 1.0F && !state.by_spikes.empty()) {
    // A shortcut from in front of the pool.
    const float* others = state.by_spikes.data() + neuron * timesteps * kBlock;
    for (std::int64_t i = 0; i < timesteps * kBlock; ++i)
      scratch.neurons.data()[i] = gradient[i] * scale + others[i];
    gradient = scratch.neurons.data();
    scale = 1.0F;
  }
  const bool training = trains(state);
  NeuronBackwardTask task;
  task.gradient = gradient;
  task.gradient_scale = scale;
  task.timesteps = timesteps;
  task.threshold = stage.threshold;
  task.leak = stage.leak;
  task.a = static_cast<float>(engine_.plan.surrogate.a);
  task.scale = engine_.plan.surrogate.scale;
  task.least_firing = stage.least_firing;
  task.kept = ~std::uint64_t{0};
  if (!state.kept.empty()) {
    task.kept = state.kept.data()[(image * stage.pixels() + pixel) * stage.output_blocks() + block];
    task.gradient_scale *= stage.output_scale;
  }
  task.scalar_sums = training ? state.scalar_sums.data() + 2 * neuron : nullptr;
  const auto shape = static_cast<std::size_t>(engine_.plan.surrogate.shape);
  const auto backward =
      training ? engine_.kernels.neuron_training[shape] : engine_.kernels.neuron_backward[shape];
  if (index > 0) {
    task.membrane = state.values.data() + neuron * timesteps * kBlock;
    lower(state.first_active[static_cast<std::size_t>(image)], backward(task));
    return;
  }
  // The membranes follow from the constant current, which the sum of the gradients replaces.
  float* current = state.values.data() + neuron * kBlock;
  float* membrane = scratch.membrane.data();
  engine_.kernels.fire({.currents = current,
                        .current_stride = 0,
                        .membrane = membrane,
                        .spikes = scratch.spikes.data(),
                        .spike_stride = 1,
                        .timesteps = timesteps,
                        .threshold = stage.threshold,
                        .leak = stage.leak,
                        .least_firing = stage.least_firing});
  task.membrane = membrane;
  backward(task);
  for (std::int64_t i = 0; i < kBlock; ++i) {
    float sum = 0;
    for (std::int64_t t = 0; t < timesteps; ++t) sum += membrane[t * kBlock + i];
    current[i] = sum;
  }
}

/// The neurons of an odd last row or column, which no pool reads.
void BackwardPass::unpooled_pixels(const Synapse& synapse) {
  const Stage& source = engine_.stages.stages[synapse.source];
  const auto [channels, height, width] = source.output;
  if (!synapse.pooled || (height % 2 == 0 && width % 2 == 0)) return;
  ThreadTeam::shared().run(
      images_ * blocks(channels), engine_.threads, [&, height, width](std::int64_t unit, int worker) {
        WorkerScratch& scratch = workspace_.workers[static_cast<std::size_t>(worker)];
        float* none = scratch.sums.data();
        std::fill_n(none, engine_.plan.timesteps * kBlock, 0.0F);
        for (std::int64_t pixel = 0; pixel < height * width; ++pixel) {
          if (pixel / width < height / 2 * 2 && pixel % width < width / 2 * 2) continue;
          neurons(synapse.source, unit / images_, unit % images_, pixel, none, 0.25F, scratch);
        }
      });
}

void BackwardPass::image_gradient() {
  const ImageSynapse& image = engine_.stages.image;
  const Stage& stage = engine_.stages.stages.front();
  const StageState& state = workspace_.stages.front();
  const std::int64_t channels = image.input[0];
  const std::int64_t pixels = image.connections.input_pixels;
  workspace_.image_gradient.reserve(images_ * pixels * channels);
  ThreadTeam::shared().run(images_, engine_.threads, [&](std::int64_t index, int) {
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
      ImageGradientTask task;
      task.gradient = workspace_.image_gradient.data() + (index * pixels + pixel) * channels;
      task.input_channels = channels;
      task.taps = image.connections.taps;
      task.outputs = image.connections.outputs.data() + pixel;
      task.output_stride = pixels;
      task.sums = state.values.data() + index * stage.pixels() * kBlock;
      task.sums_per_block = images_ * stage.pixels() * kBlock;
      task.output_blocks = stage.output_blocks();
      task.weights = image.weights.values.data();
      task.weights_per_block = image.weights.per_block();
      task.weights_per_tap = channels * kBlock;
      engine_.kernels.image_gradient(task);
    }
  });
}

}  // namespace hire_snn
