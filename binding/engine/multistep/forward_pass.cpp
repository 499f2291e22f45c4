#include <algorithm>
#include <bit>
#include <chrono>

#include "pass.h"
#include "thread_team.h"

namespace hire_snn {
namespace {

/// Outputs times time steps whose sums stay in the second-level cache together.
constexpr std::int64_t kTileSteps = 1024;

/// Inputs of a tile that stay there as well, with the weights that they meet.
constexpr std::int64_t kTileBytes = 1 << 20;

}  // namespace

ForwardPass::ForwardPass(const Engine& engine, Workspace& workspace, std::int64_t images, bool keep)
    : engine_(engine), workspace_(workspace), images_(images), keep_(keep) {}

float* ForwardPass::values(std::size_t index, std::int64_t block, std::int64_t output) const {
  const Stage& stage = engine_.stages.stages[index];
  const std::int64_t steps = index == 0 ? 1 : engine_.plan.timesteps;
  return workspace_.stages[index].values.data() +
         (block * images_ * stage.pixels() + output) * steps * kBlock;
}

/// Whether a stage's sums are needed beyond the tile that they are made in: where two synapses meet, and of
/// the output layer.
bool ForwardPass::sums_in_memory(std::size_t index) const {
  const auto& stages = engine_.stages.stages;
  return stages[index].synapses.size() > 1 || index + 1 == stages.size();
}

void ForwardPass::prepare(std::size_t index) {
  const Stage& stage = engine_.stages.stages[index];
  StageState& state = workspace_.stages[index];
  const std::int64_t timesteps = engine_.plan.timesteps;
  const std::int64_t pixels = stage.pixels();
  const std::int64_t steps = index == 0 ? 1 : timesteps;
  if (keep_ || index == 0 || sums_in_memory(index)) {
    state.values.reserve(stage.output_blocks() * images_ * pixels * steps * kBlock);
  }
  state.spikes = {images_, stage.output[1], stage.output[2], timesteps, stage.output_blocks(), nullptr};
  state.spikes.bits = state.bits.reserve(images_ * pixels * timesteps * stage.output_blocks());
  state.active.resize(static_cast<std::size_t>(images_ * timesteps));
  state.active_means.resize(static_cast<std::size_t>(images_ * timesteps));
  state.first_active.resize(static_cast<std::size_t>(images_));
  workspace_.list_counts.resize(static_cast<std::size_t>(images_ * timesteps));
  workspace_.reached.resize((engine_.stages.counted_synapses + 1) * static_cast<std::size_t>(images_ * 2));
  for (WorkerScratch& worker : workspace_.workers) {
    worker.sums.reserve(std::max(kTileSteps, timesteps * stage.output[2]) * kBlock);
    worker.patch.reserve(kBlock);
    worker.membrane.reserve(timesteps * kBlock);
    worker.spikes.reserve(timesteps);
    // Of levels(): lines of rows, each of which may leave a tile partly empty.
    const std::int64_t lines = std::max<std::int64_t>(1, kTileSteps / (timesteps * stage.output[2]));
    const std::int64_t tiles = lines * (stage.output[2] * timesteps / kMatrixRows + 1);
    worker.tiles.reserve(static_cast<std::size_t>(tiles));
    worker.results.reserve(static_cast<std::size_t>(tiles * kMatrixRows));
  }
}

void ForwardPass::run(float* logits, const Cancellation& cancellation) {
  const auto& stages = engine_.stages.stages;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    cancellation.check();
    const auto start = std::chrono::steady_clock::now();
    stage(i);
    if (i + 1 == stages.size()) {
      read_logits(logits);
    } else {
      count(i);
    }
    drop_out(i);
    workspace_.stages[i].forward_seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
}

void ForwardPass::stage(std::size_t index) {
  if (index == 0) return first_stage();
  prepare(index);
  const auto& synapses = engine_.stages.stages[index].synapses;
  const bool output = index + 1 == engine_.stages.stages.size();
  for (std::size_t s = 0; s < synapses.size(); ++s) {
    const bool last = s + 1 == synapses.size();
    synapse(index, s, last && !output ? End::kNeurons : End::kSums);
  }
}

void ForwardPass::image_currents() {
  prepare(0);
  const ImageSynapse& image = engine_.stages.image;
  const Stage& stage = engine_.stages.stages.front();
  const std::int64_t outputs = images_ * stage.pixels();
  const std::int64_t tiles = (outputs + kTileSteps - 1) / kTileSteps;
  ThreadTeam::shared().run(tiles * stage.output_blocks(), engine_.threads, [&](std::int64_t index, int) {
    const std::int64_t block = index / tiles;
    const std::int64_t first = index % tiles * kTileSteps;
    ImageTask task;
    task.sums = values(0, block, first);
    task.first = first;
    task.last = std::min(outputs, first + kTileSteps);
    task.output_pixels = stage.pixels();
    task.input_pixels = image.connections.input_pixels;
    task.input_channels = image.input[0];
    task.taps = image.connections.taps;
    task.inputs = image.connections.inputs.data();
    task.images = workspace_.image.data();
    task.weights = image.weights.block(block);
    engine_.kernels.weigh_images(task);
  });
}

void ForwardPass::first_stage() {
  image_currents();
  fire(0);
}

void ForwardPass::fire(std::size_t index) {
  prepare(index);
  const Stage& stage = engine_.stages.stages[index];
  const std::int64_t outputs = images_ * stage.pixels();
  ThreadTeam::shared().run(outputs, engine_.threads, [&](std::int64_t output, int) {
    for (std::int64_t block = 0; block < stage.output_blocks(); ++block) {
      fire(index, block, output, values(index, block, output));
    }
  });
}

/// @param sums the currents, overwritten by the membranes if those are kept
void ForwardPass::fire(std::size_t index, std::int64_t block, std::int64_t output, float* sums) {
  const Stage& stage = engine_.stages.stages[index];
  const SpikeMap& spikes = workspace_.stages[index].spikes;
  FireTask task;
  task.currents = sums;
  task.current_stride = index == 0 ? 0 : kBlock;
  // The first stage's membranes follow from its constant current.
  task.membrane = keep_ && index > 0 ? values(index, block, output) : nullptr;
  task.spikes = spikes.bits + output * spikes.timesteps * spikes.words + block;
  task.spike_stride = spikes.words;
  task.timesteps = spikes.timesteps;
  task.threshold = stage.threshold;
  task.leak = stage.leak;
  task.least_firing = stage.least_firing;
  engine_.kernels.fire(task);
}

void ForwardPass::currents(std::size_t index, std::size_t which) {
  prepare(index);
  synapse(index, which, End::kSums);
}

void ForwardPass::synapse(std::size_t index, std::size_t which, End end) {
  const Synapse& synapse = engine_.stages.stages[index].synapses[which];
  StageState& source = workspace_.stages[synapse.source];
  if (source.spikes.bits != nullptr) {
    auto& counts = synapse.pooled ? source.active_means : workspace_.list_counts;
    const auto place = synapse.counted.value_or(engine_.stages.counted_synapses);
    const ReachTask task{synapse.reach.data(),
                         workspace_.reached.data() + static_cast<std::int64_t>(place) * images_ * 2};
    if (synapse.levels) {
      workspace_.levels.build(synapse, source.spikes, source.active.data(), counts.data(), task,
                              engine_.kernels, engine_.threads);
    } else {
      workspace_.lists_of(index, which)
          .build(source.spikes, synapse.pooled, counts.data(), task, engine_.threads);
    }
  }
  if (synapse.levels) {
    levels(index, synapse, end);
  } else {
    events(index, which, end);
  }
}

namespace {

/// Adds the input itself, of the outputs from `task.first` to `task.last`.
void accumulate_input(const EventLists& lists, const Connections& connections, std::int64_t block,
                      const EventTask& task, float* scratch) {
  for (std::int64_t output = task.first; output < task.last; ++output) {
    const std::int64_t image = output / connections.output_pixels;
    const std::int64_t pixel = output % connections.output_pixels;
    for (std::int64_t t = 0; t < task.timesteps; ++t) {
      float* sums = task.sums + ((output - task.first) * task.timesteps + t) * kBlock;
      lists.expand(image, block, pixel, t, scratch);
      for (std::int64_t i = 0; i < kBlock; ++i) sums[i] += scratch[i];
    }
  }
}

}  // namespace

void ForwardPass::events(std::size_t index, std::size_t which, End end) {
  const Stage& stage = engine_.stages.stages[index];
  const Synapse& synapse = stage.synapses[which];
  const EventLists& lists = workspace_.lists_of(index, which);
  const bool in_memory = keep_ || sums_in_memory(index);
  const std::int64_t timesteps = engine_.plan.timesteps;
  const std::int64_t outputs = images_ * stage.pixels();
  const std::int64_t tile = std::max<std::int64_t>(1, kTileSteps / timesteps);
  const std::int64_t tiles = (outputs + tile - 1) / tile;
  ThreadTeam::shared().run(
      tiles * stage.output_blocks(), engine_.threads, [&](std::int64_t unit, int worker) {
        WorkerScratch& scratch = workspace_.workers[static_cast<std::size_t>(worker)];
        const std::int64_t block = unit / tiles;
        EventTask task;
        task.first = unit % tiles * tile;
        task.last = std::min(outputs, task.first + tile);
        task.sums = in_memory ? values(index, block, task.first) : scratch.sums.data();
        task.output_pixels = stage.pixels();
        lists.describe(task);
        if (which == 0) std::fill_n(task.sums, (task.last - task.first) * timesteps * kBlock, 0.0F);
        if (synapse.copies) {
          accumulate_input(lists, synapse.connections, block, task, scratch.patch.data());
        } else {
          task.input_channels = synapse.weights->inputs;
          task.taps = synapse.connections.taps;
          task.inputs = synapse.connections.inputs.data();
          task.weights = synapse.weights->block(block);
          if (lists.pooled()) {
            engine_.kernels.accumulate_means(task);
          } else {
            engine_.kernels.accumulate_spikes(task);
          }
        }
        const float scale = engine_.stages.stages[synapse.source].output_scale;
        if (scale != 1.0F) {
          for (std::int64_t i = 0; i < (task.last - task.first) * timesteps * kBlock; ++i)
            task.sums[i] *= scale;
        }
        if (end == End::kSums) return;
        for (std::int64_t output = task.first; output < task.last; ++output) {
          fire(index, block, output, task.sums + (output - task.first) * timesteps * kBlock);
        }
      });
}

/// Of a stage's first synapse, which starts its sums.
void ForwardPass::levels(std::size_t index, const Synapse& synapse, End end) {
  const Stage& stage = engine_.stages.stages[index];
  const InputLevels& inputs = workspace_.levels;
  const LevelWeights& by = *synapse.levels;
  const bool in_memory = keep_ || sums_in_memory(index);
  const std::int64_t timesteps = engine_.plan.timesteps;
  const std::int64_t width = stage.output[2];
  const std::int64_t lines = images_ * stage.output[1];
  const std::int64_t rows = std::min(kTileSteps, kTileBytes / inputs.row_bytes());
  const std::int64_t group = std::max<std::int64_t>(1, rows / (width * timesteps));
  const std::int64_t groups = (lines + group - 1) / group;
  // Blocks of outputs come one after the other: the weights of one stay in the second-level cache.
  ThreadTeam::shared().run(
      groups * stage.output_blocks(), engine_.threads, [&](std::int64_t unit, int worker) {
        WorkerScratch& scratch = workspace_.workers[static_cast<std::size_t>(worker)];
        const std::int64_t block = unit / groups;
        const std::int64_t first_line = unit % groups * group;
        const std::int64_t last_line = std::min(lines, first_line + group);
        float* const sums = in_memory ? values(index, block, first_line * width) : scratch.sums.data();
        const auto sums_of = [&](std::int64_t line, std::int64_t x, std::int64_t t) {
          return sums + (((line - first_line) * width + x) * timesteps + t) * kBlock;
        };
        LevelTask task;
        task.row_stride = inputs.row_bytes();
        task.panels = inputs.panels();
        task.weights = by.weights.block(block);
        task.scales = by.weights.scales(block);
        task.unit = (synapse.pooled ? 0.25F : 1.0F) * engine_.stages.stages[synapse.source].output_scale;
        const auto compute = [&] {
          task.tiles = scratch.tiles.data();
          task.sums = scratch.results.data();
          task.count = static_cast<std::int64_t>(scratch.tiles.size());
          task.taps = scratch.taps.data();
          task.tap_count = static_cast<std::int64_t>(scratch.taps.size());
          engine_.kernels.sum_levels(task);
          scratch.tiles.clear();
          scratch.results.clear();
        };
        scratch.tiles.clear();
        scratch.results.clear();
        const std::uint8_t* behind = nullptr;  // the last line: its tile goes on if the next one follows it
        for (std::int64_t line = first_line; line < last_line; ++line) {
          const std::int64_t image = line / stage.output[1];
          const std::int64_t start = inputs.first_step(image);
          const std::int64_t steps = timesteps - start;
          for (std::int64_t x = 0; x < width; ++x) std::fill_n(sums_of(line, x, 0), start * kBlock, 0.0F);
          const std::uint8_t* row = inputs.line(image, line % stage.output[1]);
          if (row != behind) scratch.results.resize(scratch.tiles.size() * kMatrixRows, nullptr);
          for (std::int64_t i = 0; i < width * steps; ++i, row += task.row_stride) {
            if (scratch.results.size() == scratch.tiles.size() * kMatrixRows) scratch.tiles.push_back(row);
            scratch.results.push_back(sums_of(line, i / steps, start + i % steps));
          }
          behind = row;
          // Of convolutions, the distances of the pixels differ from image to image.
          if (line + 1 < last_line && (by.linear || (line + 1) / stage.output[1] == image)) continue;
          scratch.results.resize(scratch.tiles.size() * kMatrixRows, nullptr);
          inputs.taps(image, scratch.taps);
          compute();
          behind = nullptr;
        }
        if (end == End::kSums) return;
        for (std::int64_t line = first_line; line < last_line; ++line) {
          for (std::int64_t x = 0; x < width; ++x) fire(index, block, line * width + x, sums_of(line, x, 0));
        }
      });
}

void ForwardPass::count(std::size_t index) {
  StageState& state = workspace_.stages[index];
  const SpikeMap& spikes = state.spikes;
  ThreadTeam::shared().run(images_, engine_.threads, [&](std::int64_t image, int) {
    std::int32_t* counts = state.active.data() + image * spikes.timesteps;
    std::fill_n(counts, spikes.timesteps, 0);
    const std::uint64_t* word = spikes.at(image, 0);
    for (std::int64_t pixel = 0; pixel < spikes.pixels(); ++pixel) {
      for (std::int64_t t = 0; t < spikes.timesteps; ++t) {
        for (std::int64_t i = 0; i < spikes.words; ++i) counts[t] += std::popcount(*word++);
      }
    }
  });
}

/// Silences the neurons that dropout does not keep, after they were counted.
void ForwardPass::drop_out(std::size_t index) {
  const StageState& state = workspace_.stages[index];
  if (state.kept.empty()) return;
  const SpikeMap& spikes = state.spikes;
  ThreadTeam::shared().run(images_, engine_.threads, [&](std::int64_t image, int) {
    const std::uint64_t* kept = state.kept.data() + image * spikes.pixels() * spikes.words;
    for (std::int64_t pixel = 0; pixel < spikes.pixels(); ++pixel, kept += spikes.words) {
      std::uint64_t* word = spikes.at(image, pixel);
      for (std::int64_t t = 0; t < spikes.timesteps; ++t) {
        for (std::int64_t i = 0; i < spikes.words; ++i) *word++ &= kept[i];
      }
    }
  });
}

void ForwardPass::read_logits(float* logits) {
  const std::size_t index = engine_.stages.stages.size() - 1;
  const std::int64_t classes = engine_.plan.classes();
  for (std::int64_t image = 0; image < images_; ++image) {
    for (std::int64_t j = 0; j < classes; ++j) {
      const float* sums = values(index, j / kBlock, image) + j % kBlock;
      float sum = 0;
      for (std::int64_t t = 0; t < engine_.plan.timesteps; ++t) sum += sums[t * kBlock];
      logits[image * classes + j] = sum;
    }
  }
}

}  // namespace hire_snn
